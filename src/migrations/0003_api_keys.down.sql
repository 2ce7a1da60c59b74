drop table auth_service.api_keys;
drop schema auth_service;
