/**
 * Admission of starts (PROTOCOLS 4 and 12).
 *
 * A start without a key on a node that owns shards goes into its lane at once: it waits until a flush has room, and its
 * first decision is part of that flush. Any other start is a birth (`births.ts`). What waits is bounded by bytes and by
 * time; beyond, starts are refused.
 */

import type { ResolvedDefinition, StartAnswer, StartRequest } from "../contract.ts";
import { engineErrors } from "../errors.ts";
import type { Program } from "../machine/program.ts";
import { inlineLimit } from "../payloads.ts";
import { beginInstance } from "./beginning.ts";
import type { Births } from "./births.ts";
import type { Core } from "./core.ts";
import { slotOf } from "./slots.ts";
import type { Turn, Turns } from "./turns.ts";
import { emptyWork } from "./work.ts";

export interface AdmissionReactions {
  resolve(what: { namespace: string; ref: string; version?: string; fresh?: boolean }): Promise<ResolvedDefinition>;
}

interface PendingStart {
  request: StartRequest;
  definition: ResolvedDefinition;
  program: Program;
  inputText: string;
  queuedMs: number;
  bytes: number;
  resolve(answer: StartAnswer): void;
  reject(error: Error): void;
}

export interface Admission {
  start(request: StartRequest): Promise<StartAnswer>;
  /** Puts waiting starts into the flush that is being formed. */
  refill(room: { rows: number; bytes: number }): void;
  readonly queuedBytes: number;
  /** The lane is lost or the node stops: starts that wait are refused. */
  refuseAll(why: string): void;
}

/** How often a start resolves "latest" anew when it changed meanwhile. */
const staleRetries = 8;

export function createAdmission(
  core: Core,
  parts: { turns: Turns; births: Births },
  reactions: AdmissionReactions,
): Admission {
  const { turns, births } = parts;
  /** Waiting starts by namespace: they are admitted in turns, so that a flood of one does not hold up the others. */
  const waiting = new Map<string, PendingStart[]>();
  let queuedBytes = 0;
  let nextShard = 0;

  async function start(request: StartRequest): Promise<StartAnswer> {
    for (let tries = 0; ; tries++) {
      const answer = await startOnce(request, tries > 0);
      if (answer !== "stale") return answer;
      if (tries >= staleRetries)
        throw engineErrors.busy("The workflow's versions change too fast to start it", { retryAfterMs: 1_000 });
    }
  }

  async function startOnce(request: StartRequest, fresh: boolean): Promise<StartAnswer | "stale"> {
    const { namespace, definitionId: ref, version } = request;
    const definition = await reactions.resolve({
      namespace,
      ref,
      ...(version === undefined ? {} : { version }),
      fresh,
    });
    try {
      await request.check?.(definition.definitionId);
    } catch (error) {
      // What is remembered as the latest may not be it any more, and only the latest may refuse.
      if (fresh || definition.revision === undefined) throw error;
      return "stale";
    }
    const program = core.compiled(definition.definitionId) ?? (await core.programs(definition.definitionId));
    const inputText = JSON.stringify(request.input);
    refuseOverload(inputText.length);
    if (
      request.idempotencyKey !== undefined ||
      inputText.length > inlineLimit ||
      openShards().length === 0 ||
      isFull()
    ) {
      return births.bear({ request, definition, program, inputText });
    }
    return new Promise((resolve, reject) => {
      enqueue({
        request,
        definition,
        program,
        inputText,
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
      const answer = await births.bear(pending);
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
    const id = core.newId(startedAt, slotOf(core, shard));
    const work = emptyWork({ shard, instanceId: id });
    let begun: Turn;
    try {
      begun = beginInstance(turns, work, {
        id,
        shard,
        namespace: request.namespace,
        program,
        startedAt,
        input: request.input,
        inputText: pending.inputText,
        priority: request.priority ?? 5,
        correlationId: request.correlationId ?? null,
        startedBy: request.startedBy ?? null,
        ...(request.variables === undefined ? {} : { variables: request.variables }),
      });
    } catch (error) {
      core.log.error({ err: error, definition: definition.definitionId }, "an instance could not begin");
      pending.reject(engineErrors.broken("The engine cannot begin this instance; the log says why", { cause: error }));
      return;
    }
    const { resident } = begun;
    if (definition.revision !== undefined)
      work.latest = [request.namespace, definition.workflowId, definition.revision];
    const answer: StartAnswer = {
      instanceId: id,
      definitionId: definition.definitionId,
      status: resident.state.status,
      startedAt: new Date(startedAt).toISOString(),
      created: true,
    };
    work.committed = () => turns.committed([begun], () => pending.resolve(answer));
    const undo = (error: Error) => {
      turns.forget(resident);
      pending.reject(error);
    };
    work.dropped = () =>
      undo(
        engineErrors.interrupted("The start was interrupted; whether the instance exists is unknown", {
          retryAfterMs: 1_000,
        }),
      );
    work.refused = (error) =>
      undo(engineErrors.unstorable(`The database cannot store this input: ${error.message}`, { cause: error }));
    work.stale = () => undo(staleStart);
    core.lane.submit(work);
  }

  function refuseAll(why: string): void {
    for (const list of waiting.values())
      for (const pending of list) pending.reject(engineErrors.stopping(why, { retryAfterMs: 1_000 }));
    waiting.clear();
    queuedBytes = 0;
  }

  return {
    start,
    refill,
    get queuedBytes() {
      return queuedBytes;
    },
    refuseAll,
  };
}

/** Not an answer for callers: the start resolves its definition again. */
const staleStart = new Error("the latest version changed");
