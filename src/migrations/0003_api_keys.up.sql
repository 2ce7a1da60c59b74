-- description: API keys, of which only the hash is kept
-- breaking: false

create schema if not exists auth_service;

-- A key opens the API for whoever shows it. `key_hash` is the SHA-256 of a secret with 256 random bits, so it needs no
-- salt and no slow hash, and is found by an index.
create table auth_service.api_keys (
  id uuid primary key,
  -- Names the key for people; the program's own are `admin` (made by it) and `admin-setting` (given to it).
  name varchar(255) not null,
  key_hash bytea not null check (octet_length(key_hash) = 32),
  -- `resource:action`, `*` for all of them.
  permissions text[] not null default '{}',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
-- Serves the check of a request's key.
create unique index api_keys_hash_idx on auth_service.api_keys (key_hash);
-- One living key per name: of two nodes that make the first admin key, one succeeds.
create unique index api_keys_name_idx on auth_service.api_keys (name) where revoked_at is null;
