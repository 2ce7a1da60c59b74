/**
 * Intake: starts, signals and cancels from callers (PROTOCOLS 4).
 *
 * A start without a key on a node that owns shards goes into its lane at once. Any other start is accepted in an intake
 * transaction of its own, together with all that wait, and begins through the inbox. Signals and cancels for an instance
 * whose shard is ours meet it in memory; for others they are inbox rows.
 */

import { AppError } from "../../foundation/errors.ts";
import { createHash } from "node:crypto";
import { shardOf, slotOfKey } from "../../foundation/ids.ts";
import type { CancelAnswer, CancelRequest, ResolvedDefinition, SignalRequest, StartAnswer, StartRequest } from "../contract.ts";
import { engineErrors } from "../errors.ts";
import type { Json } from "../machine/definition.ts";
import { initialState } from "../machine/evolve.ts";
import type { Program } from "../machine/program.ts";
import { type InstanceStatus, isFinal } from "../machine/state.ts";
import { inlineLimit } from "../payloads.ts";
import type { BirthAnswer, BirthRow } from "../store/contract.ts";
import { encodeStart } from "../store/rows.ts";
import type { Core, Delivery } from "./core.ts";
import { factsOf } from "./loading.ts";
import type { Resident } from "./resident.ts";
import type { Turns } from "./turns.ts";
import { emptyWork } from "./work.ts";

export interface IntakeReactions {
  resolve(what: { namespace: string; ref: string; version?: string; fresh?: boolean }): Promise<ResolvedDefinition>;
  deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
  /** What a start's decision asks for after its commit. */
  begun(resident: Resident, decision: ReturnType<Turns["applyInto"]>): void;
  takeInbox(row: { shard: number; id: number; kind: string; instanceId: string; fact: Json }): void;
}

interface PendingStart {
  request: StartRequest;
  definition: ResolvedDefinition;
  program: Program;
  inputText: string;
  payloadIds: string[];
  queuedMs: number;
  bytes: number;
  resolve(answer: StartAnswer): void;
  reject(error: Error): void;
}

export interface Intake {
  start(request: StartRequest): Promise<StartAnswer>;
  signal(request: SignalRequest): Promise<{ signalId: string }>;
  cancel(request: CancelRequest): Promise<CancelAnswer>;
  /** Puts waiting starts into the flush that is being formed. */
  refill(room: { rows: number; bytes: number }): void;
  readonly queuedBytes: number;
  /** The lane is lost or the node stops: starts that wait are refused. */
  refuseAll(why: string): void;
}

/** How many starts one intake transaction takes. */
const birthBatch = 500;
/** How long a caller waits for the owner's decision before it is answered that the fact is accepted. */
const decisionWaitMs = 5_000;
const keyRetries = 8;

export function createIntake(core: Core, turns: Turns, reactions: IntakeReactions): Intake {
  /** Waiting starts by namespace: they are admitted in turns, so that a flood of one does not hold up the others. */
  const waiting = new Map<string, PendingStart[]>();
  let queuedBytes = 0;
  let nextShard = 0;
  let births: { row: BirthRow; resolve(answer: BirthAnswer): void; reject(error: Error): void }[] = [];
  let bearing = false;

  async function start(request: StartRequest): Promise<StartAnswer> {
    for (let tries = 0; ; tries++) {
      const answer = await startOnce(request, tries > 0);
      if (answer !== "stale") return answer;
      if (tries >= keyRetries) throw engineErrors.busy("The workflow's versions change too fast to start it", { retryAfterMs: 1_000 });
    }
  }

  async function startOnce(request: StartRequest, fresh: boolean): Promise<StartAnswer | "stale"> {
    const { namespace, definitionId: ref, version } = request;
    const definition = await reactions.resolve({ namespace, ref, ...(version === undefined ? {} : { version }), fresh });
    const program = core.compiled(definition.definitionId) ?? (await core.programs(definition.definitionId));
    const inputText = JSON.stringify(request.input);
    refuseOverload(inputText.length);
    if (request.idempotencyKey !== undefined || inputText.length > inlineLimit || openShards().length === 0 || isFull()) {
      return bear(request, definition, inputText);
    }
    return new Promise((resolve, reject) => {
      enqueue({
        request,
        definition,
        program,
        inputText,
        payloadIds: [],
        queuedMs: core.clock.monotonicMs(),
        bytes: inputText.length + 300,
        resolve,
        reject: (error) => (error === staleStart ? resolve("stale") : reject(error)),
      });
    });
  }

  function isFull(): boolean {
    return core.residents.size >= core.limits.residents;
  }

  function openShards(): number[] {
    const open: number[] = [];
    if (!core.stopping) for (const owned of core.shards.values()) if (owned.phase === "open") open.push(owned.shard);
    return open;
  }

  /** Results are never refused; starts are, before what waits grows without end. */
  function refuseOverload(bytes: number): void {
    const { limits, clock, lane } = core;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const list of waiting.values()) oldestMs = Math.min(oldestMs, list[0]?.queuedMs ?? oldestMs);
    const waitedMs = clock.monotonicMs() - oldestMs;
    if (queuedBytes + lane.queuedBytes + bytes > limits.queuedBytes || waitedMs > limits.admissionMs) {
      throw engineErrors.overloaded("More starts wait than can be written in time; start fewer at once, or add nodes", {
        retryAfterMs: 1_000,
        details: { queuedBytes: queuedBytes + lane.queuedBytes, oldestWaitMs: Math.max(0, Math.round(waitedMs)) },
      });
    }
  }

  function enqueue(pending: PendingStart): void {
    const list = waiting.get(pending.request.namespace);
    if (list === undefined) waiting.set(pending.request.namespace, [pending]);
    else list.push(pending);
    queuedBytes += pending.bytes;
    core.lane.wake();
  }

  function refill(room: { rows: number; bytes: number }): void {
    let rows = room.rows;
    let bytes = room.bytes;
    if (waiting.size === 0) return;
    const open = openShards();
    const cursors = new Map<string, number>();
    while (waiting.size > 0 && rows > 0 && bytes > 0 && !isFull()) {
      for (const [namespace, list] of waiting) {
        const at = cursors.get(namespace) ?? 0;
        const pending = list[at]!;
        cursors.set(namespace, at + 1);
        if (at + 1 >= list.length) {
          waiting.delete(namespace);
          cursors.delete(namespace);
        }
        queuedBytes -= pending.bytes;
        // A start and its transition; the change and the first rows of instances that decide at once come on top.
        rows -= 3;
        bytes -= pending.bytes;
        if (open.length === 0) void rebear(pending);
        else admit(pending, open[nextShard++ % open.length]!);
        if (rows <= 0 || bytes <= 0) break;
      }
    }
    for (const [namespace, at] of cursors) {
      const list = waiting.get(namespace);
      if (list !== undefined) waiting.set(namespace, list.slice(at));
    }
    if (isFull()) rebearAll();
  }

  /** Memory is full: what waits is accepted as rows and begins when there is room. */
  function rebearAll(): void {
    for (const list of waiting.values()) for (const pending of list) void rebear(pending);
    waiting.clear();
    queuedBytes = 0;
  }

  async function rebear(pending: PendingStart): Promise<void> {
    try {
      const answer = await bear(pending.request, pending.definition, pending.inputText);
      if (answer === "stale") pending.reject(staleStart);
      else pending.resolve(answer);
    } catch (error) {
      pending.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Begins an instance in memory; its rows, the decision's included, are one work. */
  function admit(pending: PendingStart, shard: number): void {
    const { request, definition, program } = pending;
    const startedAt = core.time.now();
    const slot = shard + core.shardCount * Math.floor(core.random() * Math.floor(1024 / core.shardCount));
    const id = core.newId(startedAt, slot);
    const resident: Resident = {
      id,
      shard,
      namespace: request.namespace,
      program,
      state: initialState(program, { input: request.input, startedAt }),
      facts: factsOf({
        id,
        namespace: request.namespace,
        workflowId: program.workflowId,
        version: program.version,
        correlationId: request.correlationId ?? null,
        startedBy: request.startedBy ?? null,
        priority: request.priority ?? 5,
        startedAt,
      }),
      references: new Map(),
      ready: true,
      frozenSeq: 0,
      pending: 1,
      gone: false,
      running: new Map(),
      awaited: new Map(),
    };
    const work = emptyWork({ shard, instanceId: id });
    work.start = encodeStart({
      shard,
      id,
      namespace: request.namespace,
      definitionId: definition.definitionId,
      workflowId: definition.workflowId,
      status: "RUNNING",
      priority: request.priority ?? 5,
      currentStepId: program.entry,
      correlationId: request.correlationId ?? null,
      startedBy: request.startedBy ?? null,
      triggerEventId: null,
      input: pending.inputText,
      startedAt,
    });
    work.transitions.push(`[${shard},${JSON.stringify(request.namespace)},"${id}",null,"RUNNING","workflow_started",null]`);
    if (definition.revision !== undefined) work.latest = [request.namespace, definition.workflowId, definition.revision];
    let decision: ReturnType<Turns["applyInto"]>;
    try {
      decision = turns.applyInto(work, resident, { kind: "started" });
    } catch (error) {
      core.log.error({ err: error, definition: definition.definitionId }, "an instance could not begin");
      pending.reject(engineErrors.broken("The engine cannot begin this instance; the log says why", { cause: error }));
      return;
    }
    core.residents.set(id, resident);
    const answer: StartAnswer = {
      instanceId: id,
      definitionId: definition.definitionId,
      status: resident.state.status,
      startedAt: new Date(startedAt).toISOString(),
      created: true,
    };
    work.committed = () => {
      resident.pending--;
      pending.resolve(answer);
      reactions.begun(resident, decision);
    };
    work.dropped = () => {
      turns.forget(resident);
      pending.reject(engineErrors.interrupted("The start was interrupted; whether the instance exists is unknown", { retryAfterMs: 1_000 }));
    };
    work.refused = (error) => {
      turns.forget(resident);
      pending.reject(engineErrors.unstorable(`The database cannot store this input: ${error.message}`, { cause: error }));
    };
    work.stale = () => {
      turns.forget(resident);
      pending.reject(staleStart);
    };
    core.lane.submit(work);
  }

  /** Accepts a start as rows: key, instance CREATED, START in the inbox. */
  async function bear(request: StartRequest, definition: ResolvedDefinition, inputText: string): Promise<StartAnswer | "stale"> {
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
        throw engineErrors.key_busy("A transaction that is still open uses this idempotency key; try again when it has ended", {
          retryAfterMs: 1_000,
        });
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
        if (core.shards.has(shard)) reactions.takeInbox({ shard, id: inboxId, kind: "START", instanceId: id, fact: {} });
        else void core.store.hint({ inbox: [shard] }).catch(() => {});
        const startedAt = new Date(Math.round(at)).toISOString();
        return { instanceId: id, definitionId: definition.definitionId, status: "CREATED", startedAt, created: true };
      }
    }
  }

  async function storeInput(row: BirthRow): Promise<void> {
    const id = core.newId(core.time.now());
    await core.store.savePayload({ shard: row.shard, id, instanceId: row.id, body: row.inputText });
    row.inputText = JSON.stringify({ $payload: id });
    row.payloadIds = [id];
  }

  async function bearAll(): Promise<void> {
    while (births.length > 0) {
      const batch = births.slice(0, birthBatch);
      births = births.slice(birthBatch);
      try {
        const answers = await core.store.accept(batch.map((birth) => birth.row));
        batch.forEach((birth, i) => birth.resolve(answers[i]!));
      } catch (error) {
        if (batch.length > 1) {
          // One of them is at fault; each is told its own.
          for (const birth of batch) await bearOne(birth);
        } else batch[0]!.reject(translate(error));
      }
    }
    bearing = false;
  }

  async function bearOne(birth: (typeof births)[number]): Promise<void> {
    try {
      birth.resolve((await core.store.accept([birth.row]))[0]!);
    } catch (error) {
      birth.reject(translate(error));
    }
  }

  async function signal(request: SignalRequest): Promise<{ signalId: string }> {
    const { instanceId, namespace } = request;
    const shard = shardOf(instanceId, core.shardCount);
    const now = core.time.now();
    const keyed = request.idempotencyKey !== undefined;
    const signalId = keyed ? keyedId(instanceId, request.idempotencyKey!) : core.newId(now, shard);
    const fact = { kind: "signal" as const, signalId, keyed, type: request.type, payload: request.payload, receivedAt: now };
    await requireOpen({ instanceId, namespace, shard });
    const ignored = await meet({ shard, instanceId, kind: "SIGNAL", fact });
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
    const status = (await core.store.statuses([{ shard, id: instanceId }])).get(instanceId)?.status;
    return { instanceId, status: status ?? "RUNNING" };
  }

  async function requireOpen(what: { instanceId: string; namespace: string; shard: number }): Promise<void> {
    const resident = core.residents.get(what.instanceId);
    if (resident !== undefined && resident.namespace === what.namespace) return;
    const [stored] = await core.store.instances([{ shard: what.shard, id: what.instanceId }]);
    if (stored === undefined || stored.namespace !== what.namespace) {
      throw engineErrors.instance_not_found(`There is no instance "${what.instanceId}" in namespace "${what.namespace}"`);
    }
    if (isFinal(stored.status)) throw finalError(what.instanceId, stored.status);
  }

  /** Brings a fact to its instance and gives why it changed nothing, if so. */
  async function meet(what: {
    shard: number;
    instanceId: string;
    kind: "SIGNAL" | "CANCEL";
    fact: Delivery["fact"];
  }): Promise<string | undefined> {
    const { shard, instanceId, kind, fact } = what;
    const phase = core.shards.get(shard)?.phase;
    if (phase === "open" || phase === "folding") {
      try {
        return await decided({ shard, instanceId }, fact);
      } catch (error) {
        if (error instanceof AppError) throw error;
        throw engineErrors.interrupted("The request was interrupted; whether it took effect is unknown", { retryAfterMs: 1_000, cause: error });
      }
    }
    try {
      await core.store.post([{ shard, kind, instanceId, fact: fact as unknown as Json }]);
    } catch (error) {
      throw translate(error);
    }
    void core.store.hint({ inbox: [shard] }).catch(() => {});
    return undefined;
  }

  /** The owner's decision on a fact, once it is in the store. */
  function decided(what: { shard: number; instanceId: string }, fact: Delivery["fact"]): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const giveUp = core.clock.schedule(decisionWaitMs, () => reject(new Error("no decision in time")));
      reactions.deliver(what, {
        fact,
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

  async function lateness(instanceId: string, shard: number, cannot: string): Promise<Error> {
    const status = (await core.store.statuses([{ shard, id: instanceId }])).get(instanceId)?.status ?? "RUNNING";
    if (isFinal(status)) return finalError(instanceId, status);
    return engineErrors.instance_ending(`Instance "${instanceId}" is ending and cannot ${cannot}`);
  }

  function finalError(instanceId: string, status: InstanceStatus): Error {
    return engineErrors.instance_final(`Instance "${instanceId}" is ${status}; only an instance that has not ended can be changed`, {
      details: { status },
    });
  }

  function refuseAll(why: string): void {
    for (const list of waiting.values()) for (const pending of list) pending.reject(engineErrors.stopping(why, { retryAfterMs: 1_000 }));
    waiting.clear();
    queuedBytes = 0;
  }

  return {
    start,
    signal,
    cancel,
    refill,
    get queuedBytes() {
      return queuedBytes;
    },
    refuseAll,
  };
}

/** Not an answer for callers: the start resolves its definition again. */
const staleStart = new Error("the latest version changed");

function translate(error: unknown): Error {
  if (error instanceof AppError) return error;
  const fault = (error as { fault?: unknown }).fault;
  const message = error instanceof Error ? error.message : String(error);
  if (fault === "data") return engineErrors.unstorable(`The database cannot store this value: ${message}`, { cause: error });
  return engineErrors.interrupted("The database did not answer; whether the request took effect is unknown", {
    retryAfterMs: 1_000,
    cause: error,
  });
}

/** The same request has the same hash whatever the order of its input's keys. */
function requestHash(request: StartRequest, inputText: string): string {
  const same = [request.definitionId, request.version ?? null, request.correlationId ?? null, request.priority ?? null];
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

/** A UUID that the instance and the caller's key determine. */
function keyedId(instanceId: string, key: string): string {
  const hex = createHash("sha256").update(instanceId).update("\0").update(key).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
