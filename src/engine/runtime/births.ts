/**
 * Births: starts that the lane may not write itself, because they have a key, belong to another node's shard, are large
 * or find memory full. All that wait are accepted in one intake transaction (key, instance CREATED, START in the inbox)
 * and begin through the inbox.
 */

import { createHash } from "node:crypto";
import { shardOf, slotOfKey } from "../../foundation/ids.ts";
import type { ResolvedDefinition, StartAnswer, StartRequest } from "../contract.ts";
import { engineErrors, storeRefusal } from "../errors.ts";
import type { Json } from "../machine/definition.ts";
import type { Program } from "../machine/program.ts";
import { inlineLimit } from "../payloads.ts";
import { type BirthAnswer, type BirthRow, type InboxRow, StoreError } from "../store/contract.ts";
import type { Core } from "./core.ts";

export interface Births {
  /** The answer, or that the version it resolved is no longer the latest. */
  bear(birth: Birth): Promise<StartAnswer | "stale">;
}

export interface Birth {
  request: StartRequest;
  definition: ResolvedDefinition;
  program: Pick<Program, "retentionMs">;
  /** The input's JSON text. */
  inputText: string;
}

/** How many starts one intake transaction takes. */
const birthBatch = 500;

export function createBirths(
  core: Core,
  reactions: { takeInbox(row: InboxRow): void; hint(shard: number): void },
): Births {
  let births: { row: BirthRow; resolve(answer: BirthAnswer): void; reject(error: Error): void }[] = [];
  let bearing = false;

  async function bear({ request, definition, program, inputText }: Birth): Promise<StartAnswer | "stale"> {
    const { namespace, idempotencyKey: key } = request;
    const now = core.time.now();
    const slot = key === undefined ? undefined : slotOfKey(namespace, definition.workflowId, key);
    const id = core.newId(now, slot);
    const shard = shardOf(id, core.shardCount);
    const row: BirthRow = {
      shard,
      id,
      namespace,
      definitionId: definition.definitionId,
      workflowId: definition.workflowId,
      priority: request.priority ?? 5,
      input: request.input,
      inputText,
      payloadIds: [],
      keyShard: shard,
      requestHash: requestHash(request, inputText),
      ...(definition.revision === undefined ? {} : { revision: definition.revision }),
      ...(request.correlationId === undefined ? {} : { correlationId: request.correlationId }),
      ...(request.startedBy === undefined ? {} : { startedBy: request.startedBy }),
      ...(key === undefined ? {} : { key }),
      ...(request.variables === undefined ? {} : { variables: request.variables }),
      ...(program.retentionMs === undefined ? {} : { retentionMs: program.retentionMs }),
    };
    if (inputText.length > inlineLimit) await storeInput(row);
    const answer = await new Promise<BirthAnswer>((resolve, reject) => {
      births.push({ row, resolve, reject });
      if (!bearing) {
        bearing = true;
        core.clock.soon(() => void bearAll());
      }
    });
    switch (answer.outcome) {
      case "stale":
        return "stale";
      case "busy":
        throw engineErrors.key_busy(
          "A transaction that is still open uses this idempotency key; try again when it has ended",
          {
            retryAfterMs: 1_000,
          },
        );
      case "exists":
        if (answer.requestHash !== row.requestHash) {
          throw engineErrors.key_reused(
            `The idempotency key "${key}" was used for another request; the same key must come with the same definition, input and correlation`,
            { details: { instanceId: answer.instanceId } },
          );
        }
        return {
          instanceId: answer.instanceId,
          definitionId: answer.definitionId,
          status: "CREATED",
          startedAt: new Date(answer.createdAt).toISOString(),
          created: false,
        };
      case "created": {
        const { inboxId, at } = answer;
        if (core.shards.has(shard))
          reactions.takeInbox({ shard, id: inboxId, kind: "START", instanceId: id, fact: {} });
        else reactions.hint(shard);
        // Cut to milliseconds as the key's time is, so that the same start is told the same time again.
        const startedAt = new Date(at).toISOString();
        return { instanceId: id, definitionId: definition.definitionId, status: "CREATED", startedAt, created: true };
      }
    }
  }

  async function storeInput(row: BirthRow): Promise<void> {
    const id = core.newId(core.time.now());
    try {
      await core.store.savePayload({ shard: row.shard, id, instanceId: row.id, body: row.inputText });
    } catch (error) {
      throw storeRefusal(error);
    }
    row.inputText = JSON.stringify({ $payload: id });
    row.payloadIds = [id];
  }

  async function bearAll(): Promise<void> {
    while (births.length > 0) {
      const batch = births.slice(0, birthBatch);
      births = births.slice(birthBatch);
      try {
        const answers = await core.store.accept(batch.map((birth) => birth.row));
        for (const [i, birth] of batch.entries()) birth.resolve(answers[i]!);
      } catch (error) {
        const oneIsAtFault = error instanceof StoreError && error.fault === "data" && batch.length > 1;
        // Nothing was written, and each is told its own. After any other error the starts may exist.
        if (oneIsAtFault) for (const birth of batch) await bearOne(birth);
        else for (const birth of batch) birth.reject(storeRefusal(error));
      }
    }
    bearing = false;
  }

  async function bearOne(birth: (typeof births)[number]): Promise<void> {
    try {
      birth.resolve((await core.store.accept([birth.row]))[0]!);
    } catch (error) {
      birth.reject(storeRefusal(error));
    }
  }

  return { bear };
}

/** The same request has the same hash whatever the order of its input's keys. */
function requestHash(request: StartRequest, inputText: string): string {
  const same = [request.definitionId, request.version ?? null, request.correlationId ?? null, request.priority ?? null];
  if (request.variables !== undefined) same.push(JSON.stringify(sorted(request.variables)));
  const input = inputText.length > inlineLimit ? inputText : JSON.stringify(sorted(request.input));
  return createHash("sha256").update(JSON.stringify(same)).update(input).digest("hex");
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key]!)]),
  );
}
