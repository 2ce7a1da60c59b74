/**
 * One instance driven by hand: the machine with the rows that the engine would write, and what is outside of it (the
 * handlers asked for, the armed timers, the open waits), on a clock that stands still until it is moved.
 *
 * After every fact it is checked that the machine keeps its promises to the store; a broken one throws.
 */

import { freeze, thaw } from "../fold.ts";
import { compile } from "../machine/compile.ts";
import { decide } from "../machine/decide.ts";
import type { Definition, Json } from "../machine/definition.ts";
import { initialState } from "../machine/evolve.ts";
import type {
  ArrivedEvent,
  DecideContext,
  Decision,
  Fact,
  Message,
  PublishedEvent,
  TaskRun,
  WaitOpened,
} from "../machine/facts.ts";
import type { Program } from "../machine/program.ts";
import {
  type ConsumedEvent,
  type FinalStatus,
  frameOf,
  type InstanceState,
  isFinal,
  type JournalEntry,
  placeOf,
  retryKey,
} from "../machine/state.ts";
import type { StoredInstance } from "../store/contract.ts";
import type { ErrorCategory, ErrorInfo } from "../task.ts";
import { canonical, stateDifference } from "./law.ts";

export interface SingleOptions {
  steps: Definition["steps"];
  definition?: Partial<Definition>;
  input?: Json;
  /** Values that variables begin with, as a start gives them. */
  variables?: Record<string, Json>;
  startedAt?: number;
  /** The event that started it. */
  triggerEvent?: ConsumedEvent;
  /** How many events led to it. */
  hops?: number;
  correlationId?: string;
  wants?: DecideContext["wants"];
  /** It was accepted with a key or for another node: it begins with its START. */
  created?: boolean;
  /** What the machine draws; a half means no jitter. */
  random?: () => number;
}

export class Single {
  program: Program;
  now: number;
  state: InstanceState;
  /** Every journal row, as it comes back from the store. */
  readonly rows: JournalEntry[] = [];
  /** Handlers that were asked for and have not answered, by path. */
  readonly tasks = new Map<string, TaskRun>();
  readonly timers = new Map<string, number>();
  /** Those that are open, by path, in the order in which they opened. */
  readonly waits = new Map<string, WaitOpened>();
  readonly transitions: string[] = [];
  /** What was sent to others. */
  readonly messages: Message[] = [];
  readonly published: PublishedEvent[] = [];
  readonly lifecycle: Decision["lifecycle"] = [];
  /** Whether promises are checked after every fact; over a long history that takes its square of time. */
  checks = true;
  /** A chain of steps waits for a commit, to go on with `continued`. */
  unfinished = false;
  #events = 0;
  readonly #wants: DecideContext["wants"];
  readonly #random: () => number;
  readonly #row: Omit<StoredInstance, "entries" | "references">;

  constructor({ steps, definition = {}, input = {}, ...options }: SingleOptions) {
    const { startedAt = 1_800_000_000_000, created = false, random = () => 0.5, variables = null } = options;
    const { triggerEvent = null, hops = null, correlationId = null } = options;
    const whole: Definition = { workflowId: "w", name: "w", version: "1.0.0", ...definition, steps };
    this.program = compile(whole, { definitionId: "d", namespace: "default" });
    this.now = startedAt;
    this.#random = random;
    this.#wants = options.wants;
    this.state = initialState(this.program, { input, variables, startedAt, triggerEvent, hops });
    // One that needs permits waits for them before it begins.
    if (created || this.program.limits.length > 0) this.state.status = "CREATED";
    this.#row = {
      shard: 0,
      id: "i",
      namespace: "default",
      definitionId: "d",
      workflowId: "w",
      status: this.state.status,
      ready: true,
      variables: this.state.given ?? null,
      parentId: null,
      parentPath: null,
      priority: 5,
      correlationId,
      startedBy: null,
      version: 1,
      input,
      state: null,
      stateSeq: 0,
      output: null,
      error: null,
      cancelation: null,
      parked: false,
      startedAt,
      triggerEvent,
      hops,
      completedAt: null,
    };
  }

  /** Applies a fact and keeps what follows from it, as the engine would. */
  give(fact: Fact): Decision {
    const before = this.checks ? canonical(this.state) : "";
    const decision = decide(this.program, this.state, fact, {
      now: this.now,
      random: this.#random,
      instance: { id: "i", correlationId: this.#row.correlationId },
      wants: (name) => this.#wants?.(name) === true,
      eventId: () => `published ${++this.#events}`,
    });
    if (decision.ignored !== undefined) {
      if (this.checks && canonical(this.state) !== before)
        throw new Error(`ignored (${decision.ignored}) but the state changed`);
      if (decision.entries.length > 0 || decision.tasks.length > 0)
        throw new Error(`ignored (${decision.ignored}) but asks`);
      return decision;
    }
    this.#keepRows(decision);
    this.#keepWorld(decision);
    const goesOn = fact.kind === "continued" || fact.kind === "resumed";
    this.unfinished = decision.unfinished || (this.unfinished && !goesOn && decision.ended === undefined);
    if (this.checks) this.#check(decision);
    return decision;
  }

  start(): Decision {
    return this.give({ kind: "started" });
  }

  /** The handler of a path gives back `output`. */
  complete(path: string, output: Json = null): Decision {
    const attempt = this.#taken(path);
    return this.give({ kind: "completed", path, attempt, output, startedAt: this.now, completedAt: this.now });
  }

  /** The handler of a path throws. */
  fail(path: string, error: { code?: string; category?: ErrorCategory; details?: Json } = {}): Decision {
    const attempt = this.#taken(path);
    return this.give({
      kind: "failed",
      path,
      attempt,
      error: errorInfo(error, this.now),
      startedAt: this.now,
      completedAt: this.now,
    });
  }

  signal(type: string, payload: Json = {}, { signalId = `s${this.now}`, keyed = false } = {}): Decision {
    return this.give({ kind: "signal", signalId, keyed, type, payload, receivedAt: this.now });
  }

  /** The router, or looking back, has found an event for the wait at `path`. */
  event(path: string, payload: Json = {}, about: Partial<ArrivedEvent> = {}): Decision {
    const { id = `e${this.now}`, acceptedAt = this.now } = about;
    const timestamp = new Date(acceptedAt).toISOString();
    const plain = {
      id,
      eventId: id,
      type: "go",
      metadata: {},
      source: null,
      timestamp,
      acceptedAt,
      partitionKey: null,
    };
    return this.give({ kind: "event", path, event: { ...plain, payload, ...about } });
  }

  /** The child of a WORKFLOW step is made; the step waits for it, unless it is detached. */
  spawn(path: string, childId = `child of ${path}`): Decision {
    const attempt = this.#taken(path);
    return this.give({ kind: "spawned", path, attempt, childId });
  }

  /** The child of a step ends. */
  endChild(path: string, end: { status?: FinalStatus; output?: Json; error?: ErrorInfo } = {}): Decision {
    const childId = this.state.live[path]?.childId ?? "nobody";
    return this.give({ kind: "child_ended", path, childId, status: "COMPLETED", ...end });
  }

  /** What a MAP of many or large items gave is gathered from its rows. */
  gather(path: string): Decision {
    const task = this.tasks.get(path);
    const { total, containers } = task!.input as { total: number; containers: string[] };
    const output: Json[] = Array.from({ length: total }, () => null);
    for (const row of this.rows) {
      if (row.outcome?.closed !== true || row.error !== undefined) continue;
      const { container, place } = placeOf(frameOf(row.path));
      if (containers.includes(container)) output[Number(place)] = row.output ?? null;
    }
    return this.complete(path, output);
  }

  cancel({ compensate = true } = {}): Decision {
    const requestedAt = new Date(this.now).toISOString();
    return this.give({
      kind: "cancel",
      reason: "enough",
      requestedBy: "someone",
      requestedAt,
      source: "USER",
      compensate,
    });
  }

  /** Moves the clock to the next timer and fires it. */
  fire(key?: string): Decision {
    const [next] = [...this.timers].filter(([name]) => key === undefined || name === key).sort((a, b) => a[1] - b[1]);
    if (next === undefined) throw new Error("no timer is armed");
    this.now = Math.max(this.now, next[1]);
    return this.give({ kind: "timer", key: next[0], dueAt: next[1] });
  }

  /** What the rows give: the state that the next owner begins with. */
  folded(): InstanceState {
    const stored = {
      ...this.#row,
      entries: this.rows.filter((row) => row.seq > this.#row.stateSeq),
      references: new Map(),
    };
    return thaw(this.program, structuredClone(stored));
  }

  /** Writes the whole state, as an instance does that leaves memory. */
  freeze(): void {
    this.#row.state = JSON.parse(JSON.stringify(freeze(this.state))) as Json;
    this.#row.stateSeq = this.state.seq;
  }

  /** The owner dies; another folds the rows and goes on. Handlers that ran are lost, but for those of other nodes. */
  crash(): Decision {
    const before = new Map(this.tasks);
    this.state = this.folded();
    this.tasks.clear();
    const decision = this.give({ kind: "resumed", takeover: true });
    for (const { path } of decision.awaited) {
      const task = before.get(path);
      if (task !== undefined) this.tasks.set(path, task);
    }
    return decision;
  }

  /** The shard is handed over while handlers run on. What else was asked for, the next owner asks for again. */
  handOver(runner = "node-a"): Decision {
    for (const [path, { kind }] of [...this.tasks]) {
      if (kind === "task") this.give({ kind: "released", path, runner });
      else this.tasks.delete(path);
    }
    this.state = this.folded();
    const decision = this.give({ kind: "resumed", takeover: false });
    // The next owner reads the timers anew, those too whose attempts have no row yet.
    for (const [key, dueAt] of [...this.timers])
      if (dueAt <= this.now && this.timers.get(key) === dueAt) this.give({ kind: "timer", key, dueAt });
    return decision;
  }

  statusOf(stepId: string): string | undefined {
    return this.state.steps[stepId]?.status;
  }

  #taken(path: string): number {
    const task = this.tasks.get(path);
    if (task === undefined) throw new Error(`no handler of "${path}" was asked for`);
    this.tasks.delete(path);
    return task.attempt;
  }

  #keepRows(decision: Decision): void {
    for (const entry of decision.entries) this.rows.push(asStored(entry));
    for (const change of decision.transitions) this.transitions.push(`${change.from}>${change.to} ${change.event}`);
    this.#row.status = this.state.status;
    if (decision.reopened) this.#row.output = null;
    this.#row.error = this.state.error ?? null;
    this.#row.cancelation = this.state.cancelation ?? null;
    this.#row.completedAt = this.state.completedAt ?? null;
    if (isFinal(this.state.status)) this.#row.output = this.state.output ?? null;
    if (decision.full) this.freeze();
  }

  #keepWorld(decision: Decision): void {
    for (const { key, dueAt } of decision.armed) {
      if (this.timers.get(key) === dueAt) throw new Error(`timer "${key}" is armed twice`);
      this.timers.set(key, dueAt);
    }
    for (const { key, dueAt } of decision.cleared) if (this.timers.get(key) === dueAt) this.timers.delete(key);
    for (const wait of decision.waitsOpened) this.waits.set(wait.path, wait);
    for (const { path } of decision.waitsEnded) {
      if (!this.waits.delete(path)) throw new Error(`wait "${path}" ended and was not open`);
    }
    for (const task of decision.tasks) this.tasks.set(task.path, task);
    for (const path of decision.aborted) this.tasks.delete(path);
    for (const message of decision.messages) this.messages.push(message);
    for (const event of decision.published) this.published.push(event);
    for (const event of decision.lifecycle) this.lifecycle.push(event);
    if (decision.program !== undefined) this.program = decision.program;
  }

  #check(decision: Decision): void {
    const { state } = this;
    const broken = (what: string): never => {
      throw new Error(`${what} after ${JSON.stringify(decision.entries.map((e) => `${e.path} ${e.status}`))}`);
    };
    const difference = stateDifference({ memory: state, rows: this.folded() });
    if (difference !== undefined) broken(`the fold differs: ${difference}`);
    for (const [index, row] of this.rows.entries())
      if (row.seq !== index + 1) broken("the numbers of rows have a hole");
    checkPaths(this.rows);
    const lives = Object.values(state.live);
    if (decision.ended !== undefined || isFinal(state.status)) {
      if (lives.length > 0) broken("it ended with a live step");
      if (this.timers.size > 0) broken("it ended with an armed timer");
      if (this.waits.size > 0) broken("it ended with an open wait");
      return;
    }
    if (lives.length === 0 && state.retryAt === undefined) broken("nothing is live and it has not ended");
    for (const live of lives) {
      if (live.phase === "ready" && !this.unfinished && state.status !== "CREATED" && state.status !== "PAUSED")
        broken(`step "${live.path}" is ready and nobody begins it`);
      if (live.phase === "waiting" && !this.waits.has(live.path)) broken(`wait "${live.path}" has no row`);
      const due = live.phase === "ready" || live.phase === "running" ? undefined : live.dueAt;
      if (due !== undefined && this.timers.get(live.path) !== due) broken(`step "${live.path}" has no timer`);
    }
    for (const key of this.timers.keys()) {
      if (key === retryKey ? state.retryAt === undefined : key !== "" && state.live[key]?.dueAt === undefined)
        broken(`timer "${key}" belongs to no step`);
    }
  }
}

/** A row as it comes back: through JSON, where SQL null is absent except for the output of what is completed. */
function asStored(entry: JournalEntry): JournalEntry {
  const row = JSON.parse(JSON.stringify(entry)) as JournalEntry;
  if (row.input === null) delete row.input;
  if (row.output === null && row.status !== "COMPLETED") delete row.output;
  return row;
}

/** A path's rows end once, and each attempt of it ends once. */
export function checkPaths(rows: readonly JournalEntry[]): void {
  const ended = new Map<string, string>();
  const attempts = new Set<string>();
  for (const row of rows) {
    const attempt = `${row.path} ${row.attempt}`;
    if (ended.has(row.path))
      throw new Error(`row ${row.seq}: step "${row.path}" goes on after it was ${ended.get(row.path)}`);
    if (attempts.has(attempt)) throw new Error(`row ${row.seq}: attempt ${attempt} goes on after it ended`);
    if (row.status === "RUNNING" || row.status === "PENDING") continue;
    attempts.add(attempt);
    if (row.outcome?.retryAt === undefined) ended.set(row.path, row.status);
  }
}

export function errorInfo(error: { code?: string; category?: ErrorCategory; details?: Json }, now: number): ErrorInfo {
  const { code = "BOOM", category = "TRANSIENT", details } = error;
  const timestamp = new Date(now).toISOString();
  return {
    code,
    category,
    message: "it broke",
    retriable: true,
    timestamp,
    ...(details === undefined ? {} : { details }),
  };
}
