/**
 * Signals and cancels. Where the instance's shard is ours the fact meets it in memory and the caller hears the owner's
 * decision after its commit; elsewhere the fact is an inbox row, and the caller hears that it is accepted.
 */

import { createHash } from "node:crypto";
import { AppError } from "../../foundation/errors.ts";
import { isUuid, shardOf } from "../../foundation/ids.ts";
import type { CancelAnswer, CancelRequest, LifeAnswer, LifeRequest, SignalRequest } from "../contract.ts";
import { engineErrors, storeRefusal } from "../errors.ts";
import type { Json } from "../machine/definition.ts";
import type { Fact } from "../machine/facts.ts";
import { type InstanceStatus, isFinal } from "../machine/state.ts";
import { inlineLimit } from "../payloads.ts";
import type { Core, Delivery, Settled } from "./core.ts";

export interface Messages {
  signal(request: SignalRequest): Promise<{ signalId: string }>;
  cancel(request: CancelRequest): Promise<CancelAnswer>;
  /** Asks for something else to happen to an instance; `refusal` words why it cannot. */
  ask(request: LifeRequest, fact: LifeFact, refusal: (message: string) => Error): Promise<LifeAnswer>;
}

export type LifeFact = Extract<Fact, { kind: "pause" | "resume" | "retry" | "skip" | "priority" | "migrate" }>;

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
    if (!isUuid(instanceId)) throw notFound(request);
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
    const body = JSON.stringify(request.payload);
    const large = body.length > inlineLimit;
    // Where its owner is here, the owner looks whether there is such an instance; what is large is written before that.
    if (large || !isHere(shard)) await requireOpen({ instanceId, namespace, shard });
    const payload = large ? await storeLarge({ shard, instanceId }, request.payload, body) : undefined;
    const { ignored, unknown } = await meet({
      shard,
      instanceId,
      namespace,
      kind: "SIGNAL",
      fact,
      ...(payload === undefined ? {} : { payload }),
    });
    if (unknown === true) throw notFound(request);
    if (ignored === undefined) return { signalId };
    const status = (await statusOf(instanceId, shard).catch(refuse)) ?? "RUNNING";
    // One with a key that came before is accepted again, as long as the instance is there to take it.
    if (keyed && !isFinal(status)) return { signalId };
    throw lateness(instanceId, status, "take no signals any more");
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
    const { ignored } = await meet({ shard, instanceId, namespace, kind: "CANCEL", fact });
    if (ignored !== undefined) {
      const now = (await statusOf(instanceId, shard).catch(refuse)) ?? "RUNNING";
      throw lateness(instanceId, now, "be cancelled any more");
    }
    // It is accepted, whether the status can be read now or not.
    const status = await statusOf(instanceId, shard).catch(() => undefined);
    return { instanceId, status: status ?? "RUNNING" };
  }

  async function ask(request: LifeRequest, fact: LifeFact, refusal: (message: string) => Error): Promise<LifeAnswer> {
    const { instanceId, namespace } = request;
    const shard = shardOf(instanceId, core.shardCount);
    if (fact.kind === "retry") await requireFailed({ instanceId, namespace, shard }, refusal);
    else await requireOpen({ instanceId, namespace, shard });
    // The owner needs the version's program when the fact comes, which may be here.
    if (fact.kind === "migrate") await core.programs(fact.definitionId);
    const { ignored } = await meet({ shard, instanceId, namespace, kind: "LIFE", fact });
    if (ignored !== undefined) throw refusal(`Instance "${instanceId}": ${ignored}`);
    const status = await statusOf(instanceId, shard).catch(() => undefined);
    return { instanceId, status: status ?? "RUNNING" };
  }

  async function requireFailed(
    what: { instanceId: string; namespace: string; shard: number },
    refusal: (message: string) => Error,
  ): Promise<void> {
    const [stored] = await core.store.instances([{ shard: what.shard, id: what.instanceId }]).catch(refuse);
    if (stored === undefined || stored.namespace !== what.namespace) throw notFound(what);
    if (stored.status !== "FAILED")
      throw refusal(`Instance "${what.instanceId}" is ${stored.status}; only one that failed can be tried again`);
  }

  function notFound(what: { instanceId: string; namespace: string }): Error {
    return engineErrors.instance_not_found(
      `There is no instance "${what.instanceId}" in namespace "${what.namespace}"`,
    );
  }

  async function requireOpen(what: { instanceId: string; namespace: string; shard: number }): Promise<void> {
    const resident = core.residents.get(what.instanceId);
    if (resident !== undefined && resident.namespace === what.namespace) return;
    const [stored] = await core.store.instances([{ shard: what.shard, id: what.instanceId }]).catch(refuse);
    if (stored === undefined || stored.namespace !== what.namespace) throw notFound(what);
    if (isFinal(stored.status)) throw finalError(what.instanceId, stored.status);
  }

  /** A large payload is written beside the lane before a row refers to it; not where the inbox carries it whole. */
  async function storeLarge(
    owner: { shard: number; instanceId: string },
    value: Json,
    body: string,
  ): Promise<Delivery["payload"]> {
    if (!core.shards.has(owner.shard)) return undefined;
    const id = core.newId(core.time.now());
    try {
      await core.store.savePayload({ ...owner, id, body });
    } catch (error) {
      throw storeRefusal(error);
    }
    return { value, id };
  }

  /** Facts of this shard are decided here. */
  function isHere(shard: number): boolean {
    const phase = core.shards.get(shard)?.phase;
    return phase === "open" || phase === "folding";
  }

  /** Brings a fact to its instance and tells whether it changed something; elsewhere it is only accepted. */
  async function meet(what: {
    shard: number;
    instanceId: string;
    namespace: string;
    kind: "SIGNAL" | "CANCEL" | "LIFE";
    fact: Delivery["fact"];
    payload?: Delivery["payload"];
  }): Promise<Pick<Settled, "ignored" | "unknown">> {
    const { shard, instanceId, namespace, kind, fact, payload } = what;
    if (isHere(shard)) {
      try {
        return await decided({ shard, instanceId }, { fact, namespace, ...(payload === undefined ? {} : { payload }) });
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
    return { ignored: undefined };
  }

  /** The owner's decision on a fact, once it is in the store. */
  function decided(what: { shard: number; instanceId: string }, given: Delivery): Promise<Settled> {
    return new Promise((resolve, reject) => {
      const giveUp = core.clock.schedule(decisionWaitMs, () => reject(new Error("no decision in time")));
      reactions.deliver(what, {
        ...given,
        settled: (result) => {
          giveUp();
          resolve(result);
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

  function lateness(instanceId: string, status: InstanceStatus, cannot: string): Error {
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

  return { signal, cancel, ask };
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
