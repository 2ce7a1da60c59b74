/**
 * Restarts: a new instance that begins at a step of another one. What came before that step is carried over: its journal
 * rows are copied, and folded into the state that the new instance begins with. The origin is only read.
 */

import { createHash } from "node:crypto";
import { shardOf, slotOfKey } from "../../foundation/ids.ts";
import type { RestartRequest, StartAnswer } from "../contract.ts";
import { engineErrors, storeRefusal } from "../errors.ts";
import { freeze } from "../fold.ts";
import type { Json } from "../machine/definition.ts";
import { evolve, firstVariables, initialState } from "../machine/evolve.ts";
import type { Program } from "../machine/program.ts";
import {
  bag,
  compensationScope,
  frameOf,
  type InstanceState,
  type JournalEntry,
  stepIdOf,
  visitOf,
} from "../machine/state.ts";
import { inlineLimit, putInPlace, referencesIn } from "../payloads.ts";
import type { InboxRow, StoredInstance } from "../store/contract.ts";
import { encodeStep } from "../store/rows.ts";
import type { Core } from "./core.ts";

const pageLimit = 2_000;

export function createRestarts(core: Core, reactions: { takeInbox(row: InboxRow): void; hint(shard: number): void }) {
  async function restart(request: RestartRequest): Promise<StartAnswer> {
    const { namespace, instanceId, fromStepId } = request;
    const shard = shardOf(instanceId, core.shardCount);
    const [origin] = await core.store.instances([{ shard, id: instanceId }]).catch(refuse);
    if (origin === undefined || origin.namespace !== namespace) {
      throw engineErrors.instance_not_found(`There is no instance "${instanceId}" in namespace "${namespace}"`);
    }
    const definitionId = request.definitionId ?? origin.definitionId;
    const program = await core.programs(definitionId);
    refuseStep(program, origin, fromStepId);
    const entries = await readAll(shard, instanceId);
    if (entries.length > 0 && entries[0]!.seq !== 1) {
      throw engineErrors.cannot_restart(
        `The beginning of the history of instance "${instanceId}" is older than the retention and has been removed; what came before step "${fromStepId}" cannot be carried over`,
      );
    }
    const cut = cutBefore(entries, fromStepId);
    if (cut === undefined) {
      throw engineErrors.cannot_restart(
        `Step "${fromStepId}" never ran in instance "${instanceId}"; what came before it cannot be carried over`,
        { errors: [{ pointer: "/fromStepId", message: "never ran", expected: expectedSteps(entries) }] },
      );
    }
    await request.check?.(definitionId);
    const carried = edited(entries.slice(0, cut.count), request.outputs ?? {});
    return await write({ request, origin, program, carried, path: cut.path });
  }

  function refuseStep(program: Program, origin: StoredInstance, stepId: string): void {
    if (program.workflowId !== origin.workflowId) {
      throw engineErrors.cannot_restart(`"${program.workflowId}" is another workflow than "${origin.workflowId}"`);
    }
    const home = program.homes.get(stepId);
    if (home === "") return;
    const [message, expected] =
      home === undefined
        ? [`There is no step "${stepId}" in version ${program.version}`, "a step of the workflow"]
        : [
            `Step "${stepId}" stands in "${home}"; a branch or an item cannot be restarted by itself`,
            `a step of the workflow itself, such as ${JSON.stringify(home.split("/")[0])}`,
          ];
    throw engineErrors.cannot_restart(message, { errors: [{ pointer: "/fromStepId", message, expected }] });
  }

  async function readAll(shard: number, instanceId: string): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for (;;) {
      const afterSeq = entries.at(-1)?.seq ?? 0;
      const page = await core.store.journal({ shard, instanceId, afterSeq, limit: pageLimit }).catch(refuse);
      for (const entry of page) entries.push(entry);
      if (page.length < pageLimit) return entries;
    }
  }

  async function write(what: {
    request: RestartRequest;
    origin: StoredInstance;
    program: Program;
    carried: JournalEntry[];
    path: string;
  }): Promise<StartAnswer> {
    const { request, origin, program, carried, path } = what;
    const now = core.time.now();
    const key = request.idempotencyKey;
    const slot = key === undefined ? undefined : slotOfKey(origin.namespace, origin.workflowId, key);
    const id = core.newId(now, slot);
    const shard = shardOf(id, core.shardCount);
    const input = request.input ?? origin.input;
    const state = stateAt(program, carried, { input, path, variables: origin.variables, now });
    const parts = { carried, state: freeze(state) };
    const payloadIds: string[] = [];
    const moved = await movePayloads(origin, { shard, id }, parts, payloadIds);
    const inputText = await storeLarge({ shard, id }, JSON.stringify(input), payloadIds);
    await refuseRemoved(origin);
    const owner = { shard, instanceId: id, epoch: 0 };
    const answer = await core.store
      .acceptRestart({
        shard,
        id,
        namespace: origin.namespace,
        definitionId: program.definitionId,
        workflowId: origin.workflowId,
        priority: origin.priority,
        correlationId: origin.correlationId,
        startedBy: request.requestedBy,
        inputText,
        stateText: JSON.stringify(moved.state),
        stateSeq: state.seq,
        originId: origin.id,
        originStepId: request.fromStepId,
        variables: origin.variables,
        retentionMs: program.retentionMs,
        payloadIds,
        ...(key === undefined ? {} : { key }),
        requestHash: hashOf(request),
        steps: moved.carried.map((entry) => encodeStep(owner, entry, JSON.stringify)),
      })
      .catch(refuse);
    if (answer.outcome !== "created") return firstAnswer(request, answer);
    const { inboxId, at } = answer;
    if (core.shards.has(shard)) reactions.takeInbox({ shard, id: inboxId, kind: "START", instanceId: id, fact: {} });
    else reactions.hint(shard);
    const startedAt = new Date(at).toISOString();
    return { instanceId: id, definitionId: program.definitionId, status: "CREATED", startedAt, created: true };
  }

  /** An instance goes before its rows and values do: what was read while it went is not all there was. */
  async function refuseRemoved({ shard, id, namespace }: StoredInstance): Promise<void> {
    if ((await core.store.statuses([{ shard, id }]).catch(refuse)).has(id)) return;
    throw engineErrors.instance_not_found(`There is no instance "${id}" in namespace "${namespace}" any more`);
  }

  /** What the same key was answered before. What was written for this try is removed after a day. */
  function firstAnswer(
    request: RestartRequest,
    answer: Awaited<ReturnType<Core["store"]["acceptRestart"]>>,
  ): StartAnswer {
    const { idempotencyKey: key } = request;
    if (answer.outcome !== "exists") {
      throw engineErrors.key_busy(
        "A transaction that is still open uses this idempotency key; try again when it has ended",
        { retryAfterMs: 1_000 },
      );
    }
    const { instanceId, definitionId, requestHash, createdAt } = answer;
    if (requestHash !== hashOf(request)) {
      throw engineErrors.key_reused(`The idempotency key "${key}" was used for another request`, {
        details: { instanceId },
      });
    }
    return {
      instanceId,
      definitionId,
      status: "CREATED",
      startedAt: new Date(createdAt).toISOString(),
      created: false,
    };
  }

  /** Large values of the origin get payloads of the new instance, for nobody reads another's. */
  async function movePayloads<T>(
    origin: StoredInstance,
    to: { shard: number; id: string },
    parts: T,
    payloadIds: string[],
  ): Promise<T> {
    const ids = referencesIn(parts);
    if (ids.length === 0) return parts;
    const { shard, id: instanceId } = origin;
    const bodies = await core.store.payloads({ shard, instanceId, ids }).catch(refuse);
    const moved = new Map<string, Json>();
    for (const [from, body] of bodies) {
      const id = core.newId(core.time.now());
      await core.store
        .savePayload({ shard: to.shard, id, instanceId: to.id, body: JSON.stringify(body) })
        .catch(refuse);
      payloadIds.push(id);
      moved.set(from, { $payload: id });
    }
    return putInPlace(parts, moved);
  }

  async function storeLarge(to: { shard: number; id: string }, body: string, payloadIds: string[]): Promise<string> {
    if (body.length <= inlineLimit) return body;
    const id = core.newId(core.time.now());
    await core.store.savePayload({ shard: to.shard, id, instanceId: to.id, body }).catch(refuse);
    payloadIds.push(id);
    return JSON.stringify({ $payload: id });
  }

  return { restart };
}

function refuse(error: unknown): never {
  throw storeRefusal(error);
}

/** The same request has the same hash. */
function hashOf({ instanceId, fromStepId, definitionId, input, outputs }: RestartRequest): string {
  const same = [instanceId, fromStepId, definitionId ?? null, input ?? null, outputs ?? null];
  return createHash("sha256").update(JSON.stringify(same)).digest("hex");
}

/** The last visit of a step of the workflow itself, and how many rows came before it. */
function cutBefore(entries: readonly JournalEntry[], stepId: string): { path: string; count: number } | undefined {
  let path: string | undefined;
  const isVisit = (candidate: string) => frameOf(candidate) === "" && stepIdOf(candidate) === stepId;
  for (const entry of entries) if (isVisit(entry.path)) path = entry.path;
  if (path === undefined) return undefined;
  const named = entries.findIndex(({ outcome }) => outcome?.next?.includes(path) === true);
  return { path, count: named === -1 ? entries.findIndex((entry) => entry.path === path) : named + 1 };
}

function expectedSteps(entries: readonly JournalEntry[]): string {
  const ran = new Set(entries.filter(({ path }) => frameOf(path) === "").map(({ stepId }) => stepId));
  return ran.size === 0
    ? "an instance that has begun"
    : `one of ${[...ran]
        .slice(0, 10)
        .map((id) => JSON.stringify(id))
        .join(", ")}`;
}

/** The rows with outputs replaced; what names no completed step is refused. */
function edited(entries: JournalEntry[], outputs: Record<string, Json>): JournalEntry[] {
  for (const [stepId, output] of Object.entries(outputs)) {
    const last = entries.findLast((entry) => entry.stepId === stepId && entry.status === "COMPLETED");
    if (last === undefined) {
      const message = `Step "${stepId}" has not completed before that step, so it has no output to replace`;
      throw engineErrors.cannot_restart(message, {
        errors: [{ pointer: `/outputs/${stepId}`, message, expected: "a step that completed before" }],
      });
    }
    last.output = output;
  }
  return entries;
}

/** The state with which the new instance begins: the fold of what is carried over, and one step that is ready. */
function stateAt(
  program: Program,
  carried: readonly JournalEntry[],
  start: { input: Json; path: string; variables: Record<string, Json> | null; now: number },
): InstanceState {
  const { input, path, variables, now } = start;
  const state = initialState(program, { input, variables, startedAt: now });
  for (const [index, entry] of carried.entries()) {
    if (isNextRun(program, state, { entry, before: carried[index - 1] })) forgetRun(program, state);
    evolve(program, state, entry);
    countVisit(state, entry.path);
  }
  const stepId = stepIdOf(path);
  state.live = bag();
  state.frames = bag();
  countVisit(state, path);
  state.live[path] = { path, stepId, phase: "ready", attempt: 1, since: now };
  delete state.halted;
  delete state.result;
  return state;
}

/**
 * Whether a row is the first one after the workflow's own retry: nothing named its path, and what the run before had to
 * undo has been undone. A step that somebody tried again has no such past.
 */
function isNextRun(
  program: Program,
  state: InstanceState,
  { entry, before }: { entry: JournalEntry; before: JournalEntry | undefined },
): boolean {
  const { path, stepId } = entry;
  if (program.retry === undefined || stepId !== program.entry || frameOf(path) !== "") return false;
  if (before === undefined || state.live[path] !== undefined) return false;
  const undoes = program.compensateOnFailure && state.compensable.length > 0;
  return !undoes || before.path.startsWith(compensationScope);
}

/** A run begins with the first values of variables, and with nothing to undo. */
function forgetRun(program: Program, state: InstanceState): void {
  state.variables = firstVariables(program, state.given);
  state.steps = bag();
  state.compensable = [];
  delete state.caught;
}

/** Paths that were used are not used again. Rows of a step that was tried again have paths that no row named. */
function countVisit(state: InstanceState, path: string): void {
  const compensates = path.startsWith(compensationScope);
  if (!compensates && frameOf(path) !== "") return;
  const name = compensates ? `${compensationScope}${stepIdOf(path)}` : stepIdOf(path);
  state.visits[name] = Math.max(state.visits[name] ?? 0, visitOf(path));
}
