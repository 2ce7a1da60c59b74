/** What may happen to an instance, and what the machine asks for in return. */

import type { ErrorInfo } from "../task.ts";
import type { Json } from "./definition.ts";
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
  | { kind: "signal"; signalId: string; keyed: boolean; type: string; payload: Json; receivedAt: number }
  | {
      kind: "cancel";
      reason: string;
      requestedBy: string;
      requestedAt: string;
      source: "USER" | "EVENT" | "SYSTEM";
      compensate: boolean;
    };

/** A handler to call after the commit. */
export interface TaskRun {
  path: string;
  stepId: string;
  taskId: string;
  attempt: number;
  input: Json;
  timeoutMs: number;
  interrupted: number;
}

export interface WaitOpened {
  path: string;
  stepId: string;
  pattern: string;
  condition: string | undefined;
  timeoutAt: number | undefined;
  timeoutHandler: string | undefined;
}

export interface WaitEnded {
  path: string;
  status: "fulfilled" | "expired" | "cancelled";
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

/** What one fact led to. The state has been advanced; these are to be written in one flush, then acted on. */
export interface Decision {
  entries: JournalEntry[];
  transitions: StatusChange[];
  armed: Timer[];
  cleared: Timer[];
  waitsOpened: WaitOpened[];
  waitsEnded: WaitEnded[];
  tasks: TaskRun[];
  /** Paths whose handlers are to be told to stop. */
  aborted: string[];
  /** Something changed that no journal row carries: the whole state is to be written. */
  full: boolean;
  /** Steps that another node may still be running: its result, or its end, is awaited until `untilAt`. */
  awaited: { path: string; runner: string; untilAt: number }[];
  /** The chain is to go on with `continued` after the commit. */
  unfinished: boolean;
  ended: FinalStatus | undefined;
  /** The fact came too late or twice, and changed nothing. */
  ignored: string | undefined;
}

export interface DecideContext {
  /** By the database's clock, in milliseconds. */
  now: number;
  /** Uniform in [0, 1). */
  random(): number;
  /** What expressions see as `instance`. */
  instance: { [key: string]: Json };
}
