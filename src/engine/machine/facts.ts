/** What may happen to an instance, and what the machine asks for in return. */

import type { ErrorInfo } from "../task.ts";
import type { Json } from "./definition.ts";
import type { Program } from "./program.ts";
import type { FinalStatus, InstanceStatus, JournalEntry } from "./state.ts";

export type Fact =
  /** The instance begins. `born`: it was accepted before, as CREATED; its START may come twice. */
  | { kind: "started"; born?: boolean }
  /** The owner has folded the instance. `takeover`: the last owner died; else it let go in an orderly way. */
  | { kind: "resumed"; takeover: boolean }
  /** A long chain of steps without a commit goes on after one. */
  | { kind: "continued" }
  /** The handler has been at work for so long that the console should show it. */
  | { kind: "running"; path: string; attempt: number }
  | { kind: "completed"; path: string; attempt: number; output: Json; startedAt: number; completedAt: number }
  | { kind: "failed"; path: string; attempt: number; error: ErrorInfo; startedAt: number; completedAt: number }
  /** No handler for the step's task is known here. */
  | { kind: "unassigned"; path: string }
  /** A handler for the step's task is known now. */
  | { kind: "assigned"; path: string }
  /** The shard is handed over while the step runs; `runner` goes on with it. */
  | { kind: "released"; path: string; runner: string }
  /** The node to which `runner` pointed is gone, or the step's time is up. */
  | { kind: "abandoned"; path: string }
  | { kind: "timer"; key: string; dueAt: number }
  /** The child of a WORKFLOW step is made in the same flush that records this. */
  | { kind: "spawned"; path: string; attempt: number; childId: string }
  | {
      kind: "child_ended";
      path: string;
      childId: string;
      status: FinalStatus;
      output?: Json;
      error?: ErrorInfo;
    }
  | { kind: "pause" }
  | { kind: "resume" }
  | { kind: "retry" }
  | { kind: "skip"; stepId: string }
  | { kind: "priority"; priority: number }
  /** `to` is put in by whoever applies the fact; it does not travel. */
  | { kind: "migrate"; definitionId: string; to?: Program | undefined }
  /** The home of a concurrency limit has granted a permit. */
  | { kind: "permitted"; key: string }
  /** An event that the router, or looking back, found for one wait: that of a step, or of a cancellation trigger. */
  | { kind: "event"; path: string; event: ArrivedEvent }
  | { kind: "signal"; signalId: string; keyed: boolean; type: string; payload: Json; receivedAt: number }
  | {
      kind: "cancel";
      reason: string;
      requestedBy: string;
      requestedAt: string;
      source: "USER" | "EVENT" | "SYSTEM";
      compensate: boolean;
      /** The event whose trigger asks for it. */
      eventId?: string;
    };

/** An event as a fact carries it: the event's row, with the database's time of its acceptance in milliseconds. */
export interface ArrivedEvent {
  id: string;
  eventId: string;
  type: string;
  payload: Json;
  metadata: { [name: string]: Json };
  source: Json;
  timestamp: string;
  acceptedAt: number;
  partitionKey: string | null;
}

/**
 * Something to do after the commit: a handler to call; the child of a WORKFLOW to make; the outputs of a MAP's items to
 * gather from the journal.
 */
export interface TaskRun {
  kind: "task" | "child" | "gather";
  path: string;
  stepId: string;
  taskId: string;
  attempt: number;
  input: Json;
  timeoutMs: number;
  interrupted: number;
}

/** An event that a step publishes: it is written with the row that says so. */
export interface PublishedEvent {
  /** The event's row. */
  id: string;
  /** The publisher's id; absent: `id`. */
  eventId?: string;
  /** Its name. */
  pattern: string;
  payload: Json;
  metadata: { [name: string]: Json };
  partitionKey?: string;
  source: { [name: string]: Json };
}

/** The events that the engine itself publishes of an instance. */
export const lifecycleNames = [
  "workflow.started",
  "workflow.completed",
  "workflow.failed",
  "workflow.cancelled",
  "workflow.compensation.completed",
] as const;
export type LifecycleName = (typeof lifecycleNames)[number];

export interface WaitOpened {
  path: string;
  stepId: string;
  pattern: string;
  condition: string | undefined;
  timeoutAt: number | undefined;
  timeoutHandler: string | undefined;
  /** What an event's key must be; empty: it is found by its pattern alone. */
  key: string;
  /** Events that were accepted before are not for it. */
  since: number;
}

export interface WaitEnded {
  path: string;
  status: "fulfilled" | "expired" | "cancelled";
  /** The event's row, where an event ended it. */
  eventId?: string;
}

export interface Timer {
  key: string;
  dueAt: number;
}

export interface StatusChange {
  from: InstanceStatus | null;
  to: InstanceStatus;
  event: string;
  data?: Json;
}

/** A fact for another instance or for the home of a limit, written in the same flush. */
export interface Message {
  kind: "CANCEL" | "PERMIT_ASK" | "PERMIT_RELEASE" | "PERMIT_PRIORITY";
  /** CANCEL: the child. PERMIT_…: the limit's key. */
  to: string;
  fact: { [key: string]: Json };
}

/** What one fact led to. The state has been advanced; these are to be written in one flush, then acted on. */
export interface Decision {
  entries: JournalEntry[];
  transitions: StatusChange[];
  armed: Timer[];
  cleared: Timer[];
  waitsOpened: WaitOpened[];
  waitsEnded: WaitEnded[];
  tasks: TaskRun[];
  messages: Message[];
  published: PublishedEvent[];
  /** Those of its own events that somebody wants. */
  lifecycle: { name: LifecycleName; data: { [name: string]: Json } }[];
  /** Paths whose handlers are to be told to stop. */
  aborted: string[];
  /** Something changed that no journal row carries: the whole state is to be written. */
  full: boolean;
  /** Steps that another node may still be running: its result, or its end, is awaited until `untilAt`. */
  awaited: { path: string; runner: string; untilAt: number }[];
  /** The chain is to go on with `continued` after the commit. */
  unfinished: boolean;
  ended: FinalStatus | undefined;
  /** The workflow failed: the row that it failed by, if it failed by a step. Its compensation, or another run, may follow. */
  failed: { path: string | undefined } | undefined;
  /** Expressions that erred and were taken as false, where no row of the journal says so. */
  warnings: string[];
  /** The fact came too late or twice, and changed nothing. */
  ignored: string | undefined;
  /** The instance had ended and goes on: what its row says of the end is taken back. */
  reopened: boolean;
  priority: number | undefined;
  /** The version that it goes on with. */
  program: Program | undefined;
}

export interface DecideContext {
  /** By the database's clock, in milliseconds. */
  now: number;
  /** Uniform in [0, 1). */
  random(): number;
  /** A new id for an event's row, on the shard of its partition key. Asked for once per event that a step publishes. */
  eventId?(partitionKey?: string): string;
  /** Whether anybody takes the engine's events of this name; without it nobody does. */
  wants?(name: LifecycleName): boolean;
  /** What expressions see as `instance`. */
  instance: { [key: string]: Json };
}
