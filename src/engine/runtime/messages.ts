/**
 * Signals and cancels. Where the instance's shard is ours the fact meets it in memory and the caller hears the owner's
 * decision after its commit; elsewhere the fact is an inbox row, and the caller hears that it is accepted.
 */

import { createHash } from "node:crypto";
import { AppError } from "../../foundation/errors.ts";
import { shardOf } from "../../foundation/ids.ts";
import type { CancelAnswer, CancelRequest, SignalRequest } from "../contract.ts";
import { engineErrors, storeRefusal } from "../errors.ts";
import type { Json } from "../machine/definition.ts";
import { type InstanceStatus, isFinal } from "../machine/state.ts";
import { inlineLimit } from "../payloads.ts";
import type { Core, Delivery } from "./core.ts";

export interface Messages {
  signal(request: SignalRequest): Promise<{ signalId: string }>;
  cancel(request: CancelRequest): Promise<CancelAnswer>;
}

/** How long a caller waits for the owner's decision. */
const decisionWaitMs = 5_000;

export function createMessages(
  core: Core,
  reactions: {
    deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
    hint(shard: number): void;
  },
): Messages {
  async function signal(request: SignalRequest): Promise<{ signalId: string }> {
    const { instanceId, namespace } = request;
    const shard = shardOf(instanceId, core.shardCount);
    const now = core.time.now();
    const keyed = request.idempotencyKey !== undefined;
    const signalId = keyed ? keyedId(instanceId, request.idempotencyKey!) : core.newId(now, shard);
    const fact = {
      kind: "signal" as const,
      signalId,
      keyed,
      type: request.type,
      payload: request.payload,
      receivedAt: now,
    };
    await requireOpen({ instanceId, namespace, shard });
    const payload = await storeLarge({ shard, instanceId }, request.payload);
    const ignored = await meet({
      shard,
      instanceId,
      kind: "SIGNAL",
      fact,
      ...(payload === undefined ? {} : { payload }),
    });
    if (ignored !== undefined && !keyed) throw await lateness(instanceId, shard, "take no signals any more");
    return { signalId };
  }

  async function cancel(request: CancelRequest): Promise<CancelAnswer> {
    const { instanceId, namespace } = request;
    const shard = shardOf(instanceId, core.shardCount);
    const fact = {
      kind: "cancel" as const,
      reason: request.reason,
      requestedBy: request.requestedBy,
      requestedAt: new Date(core.time.now()).toISOString(),
      source: "USER" as const,
      compensate: request.compensate ?? true,
    };
    await requireOpen({ instanceId, namespace, shard });
    const ignored = await meet({ shard, instanceId, kind: "CANCEL", fact });
    if (ignored !== undefined) throw await lateness(instanceId, shard, "be cancelled any more");
    // It is accepted, whether the status can be read now or not.
    const status = await statusOf(instanceId, shard).catch(() => undefined);
    return { instanceId, status: status ?? "RUNNING" };
  }

  async function requireOpen(what: { instanceId: string; namespace: string; shard: number }): Promise<void> {
    const resident = core.residents.get(what.instanceId);
    if (resident !== undefined && resident.namespace === what.namespace) return;
    const [stored] = await core.store.instances([{ shard: what.shard, id: what.instanceId }]).catch(refuse);
    if (stored === undefined || stored.namespace !== what.namespace) {
      throw engineErrors.instance_not_found(
        `There is no instance "${what.instanceId}" in namespace "${what.namespace}"`,
      );
    }
    if (isFinal(stored.status)) throw finalError(what.instanceId, stored.status);
  }

  /** A large payload is written beside the lane before a row refers to it; not where the inbox carries it whole. */
  async function storeLarge(owner: { shard: number; instanceId: string }, value: Json): Promise<Delivery["payload"]> {
    if (!core.shards.has(owner.shard)) return undefined;
    const body = JSON.stringify(value);
    if (body.length <= inlineLimit) return undefined;
    const id = core.newId(core.time.now());
    try {
      await core.store.savePayload({ ...owner, id, body });
    } catch (error) {
      throw storeRefusal(error);
    }
    return { value, id };
  }

  /** Brings a fact to its instance and gives why it changed nothing, if so. */
  async function meet(what: {
    shard: number;
    instanceId: string;
    kind: "SIGNAL" | "CANCEL";
    fact: Delivery["fact"];
    payload?: Delivery["payload"];
  }): Promise<string | undefined> {
    const { shard, instanceId, kind, fact, payload } = what;
    const phase = core.shards.get(shard)?.phase;
    if (phase === "open" || phase === "folding") {
      try {
        return await decided({ shard, instanceId }, { fact, ...(payload === undefined ? {} : { payload }) });
      } catch (error) {
        if (error instanceof AppError) throw error;
        throw engineErrors.interrupted("The request was interrupted; whether it took effect is unknown", {
          retryAfterMs: 1_000,
          cause: error,
        });
      }
    }
    try {
      await core.store.post([{ shard, kind, instanceId, fact }]);
    } catch (error) {
      throw storeRefusal(error);
    }
    reactions.hint(shard);
    return undefined;
  }

  /** The owner's decision on a fact, once it is in the store. */
  function decided(what: { shard: number; instanceId: string }, given: Delivery): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const giveUp = core.clock.schedule(decisionWaitMs, () => reject(new Error("no decision in time")));
      reactions.deliver(what, {
        ...given,
        settled: ({ ignored }) => {
          giveUp();
          resolve(ignored);
        },
        failed: (error) => {
          giveUp();
          reject(error);
        },
      });
    });
  }

  async function statusOf(instanceId: string, shard: number): Promise<InstanceStatus | undefined> {
    return (await core.store.statuses([{ shard, id: instanceId }])).get(instanceId)?.status;
  }

  async function lateness(instanceId: string, shard: number, cannot: string): Promise<Error> {
    const status = (await statusOf(instanceId, shard).catch(refuse)) ?? "RUNNING";
    if (isFinal(status)) return finalError(instanceId, status);
    return engineErrors.instance_ending(`Instance "${instanceId}" is ending and cannot ${cannot}`);
  }

  function finalError(instanceId: string, status: InstanceStatus): Error {
    return engineErrors.instance_final(
      `Instance "${instanceId}" is ${status}; only an instance that has not ended can be changed`,
      {
        details: { status },
      },
    );
  }

  return { signal, cancel };
}

/** What the store did not do becomes what the caller is told. */
function refuse(error: unknown): never {
  throw storeRefusal(error);
}

/** A UUID that the instance and the caller's key determine. */
function keyedId(instanceId: string, key: string): string {
  const hex = createHash("sha256").update(instanceId).update("\0").update(key).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
