/** The room's SQL: `auth_service.api_keys`. */
import { statement } from "../foundation/database/index.ts";

export const countLivingKeys = statement(
  "auth.count_living_keys",
  `select count(*)::integer as count from auth_service.api_keys
   where revoked_at is null and (expires_at is null or expires_at > now())`,
);

/** Adds nothing when a living key has this name, or a key this hash. */
export const insertKey = statement(
  "auth.insert_key",
  `insert into auth_service.api_keys (id, name, key_hash, permissions) values ($1, $2, $3, $4)
   on conflict do nothing`,
);

/** The key of a name is replaced: the former one stops to work with the commit. */
export const revokeOthersOfName = statement(
  "auth.revoke_others_of_name",
  `update auth_service.api_keys set revoked_at = now()
   where name = $1 and revoked_at is null and key_hash <> $2`,
);

/** A key that was taken out of use and is given again. */
export const reviveKey = statement(
  "auth.revive_key",
  `update auth_service.api_keys set revoked_at = null
   where key_hash = $2 and revoked_at is not null
     and not exists (select from auth_service.api_keys k where k.name = $1 and k.revoked_at is null)`,
);

export const findKey = statement(
  "auth.find_key",
  `select id, name, permissions from auth_service.api_keys
   where key_hash = $1 and revoked_at is null and (expires_at is null or expires_at > now())`,
);
