/** API keys: how they look, what is kept of them, who shows one. */
import { createHash, randomBytes } from "node:crypto";
import type { Database, Db } from "../foundation/database/index.ts";
import { uuidv7 } from "../foundation/ids.ts";
import { countLivingKeys, findKey, insertKey, reviveKey, revokeOthersOfName } from "./queries.ts";

/** Who made a request, as far as a key tells. */
export interface KeyHolder {
  keyId: string;
  name: string;
  /** `resource:action`; `*` is every one. */
  permissions: string[];
}

/** A new secret: a mark by which scanners know it, then 256 random bits. */
export function makeSecret(): string {
  return `mrk_${randomBytes(32).toString("base64url")}`;
}

export function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** Whether anybody could get in at all. */
export async function hasLivingKey(db: Db): Promise<boolean> {
  const [row] = await db.query<{ count: number }>(countLivingKeys);
  return row!.count > 0;
}

/** Adds a key that may do everything; false when a living one has the name, or the same secret is known. */
export async function addAdminKey(db: Db, { name, secret }: { name: string; secret: string }): Promise<boolean> {
  const { rowCount } = await db.execute(insertKey, [uuidv7(Date.now()), name, hashOf(secret), ["*"]]);
  return rowCount > 0;
}

/** Makes `secret` the one living key of `name`. The one before it is refused from then on. */
export async function setAdminKey(db: Database, { name, secret }: { name: string; secret: string }): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(revokeOthersOfName, [name, hashOf(secret)]);
    if (!(await addAdminKey(tx, { name, secret }))) await tx.execute(reviveKey, [name, hashOf(secret)]);
  });
}

/** Entries of the memory of `createKeyCheck`; a flood of wrong keys must not fill it. */
const memorySize = 1_000;

/**
 * A check of request keys: the holder, or undefined when the key opens nothing.
 *
 * A key that was good is taken as good for `memoryMs` more without asking the database, so a revocation takes that long
 * to reach every node. A bad one is always looked up: it may have been made a moment ago.
 */
export function createKeyCheck({ db, memoryMs = 10_000 }: { db: Db; memoryMs?: number }): {
  check(secret: string): Promise<KeyHolder | undefined>;
} {
  const known = new Map<string, { holder: KeyHolder; until: number }>();
  return {
    async check(secret) {
      const hash = hashOf(secret);
      const key = hash.toString("base64");
      const found = known.get(key);
      if (found !== undefined && found.until > performance.now()) return found.holder;
      const [row] = await db.query<{ id: string; name: string; permissions: string[] }>(findKey, [hash]);
      known.delete(key);
      if (row === undefined) return undefined;
      const holder: KeyHolder = { keyId: row.id, name: row.name, permissions: row.permissions };
      if (known.size >= memorySize) known.delete(known.keys().next().value!);
      known.set(key, { holder, until: performance.now() + memoryMs });
      return holder;
    },
  };
}
