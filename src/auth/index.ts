export { type AdminKey, type AdminKeyOptions, ensureAdminKey, readAdminKey } from "./admin_key.ts";
export { createKeyCheck, type KeyHolder } from "./keys.ts";
