/**
 * What the parts of a node's engine share. `node.ts` makes it; the parts are functions over it, one file per duty:
 * `turns` applies facts, `loading` brings instances into memory, `runner` calls handlers, `timers` and `inbox` watch
 * for what is due, `ownership` takes and gives shards, `admission`, `births` and `messages` accept what outsiders bring.
 */

import type { Logger } from "../../foundation/log.ts";
import type { Program } from "../machine/program.ts";
import type { FinalStatus } from "../machine/state.ts";
import type { Store } from "../store/contract.ts";
import type { TaskHandler } from "../task.ts";
import type { Clock, StoreTime } from "./clock.ts";
import type { Lane } from "./lane.ts";
import type { Resident } from "./resident.ts";
import type { Routing } from "./routing.ts";

export type { ChildStart, Delivery, Settled } from "./resident.ts";

export interface OwnedShard {
  shard: number;
  epoch: number;
  /** `folding`: acquired, its instances are being loaded. `releasing`: nothing new begins on it. */
  phase: "folding" | "open" | "releasing";
  /** Inbox rows that were given to the machine and are not deleted yet. */
  underWay: Set<number>;
  /** Timers before this are in memory. */
  timersUntil: number;
  /** No timer before this is in the store. */
  timersFrom: number;
  /** Fold of ready instances goes on after this id; undefined when all are loaded. */
  foldAfter: string | null | undefined;
  /** Whether the fold is of a dead node's shard. */
  takeover: boolean;
  /** Fold one at a time, noting each: the last two owners died within a minute. */
  careful: boolean;
}

export interface HandlerSource {
  get(taskId: string): TaskHandler | undefined;
  ids(): string[];
}

export interface Limits {
  residents: number;
  /** Bytes that may wait for a flush before starts are refused. */
  queuedBytes: number;
  /** How long a start may wait to be admitted before others are refused. */
  admissionMs: number;
}

/** What a program watches: who waits for an end, who streams changes. */
export interface Observer {
  changed(instanceId: string): void;
  ended(instanceId: string, status: FinalStatus): void;
}

export interface Core {
  readonly nodeId: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly time: StoreTime;
  readonly log: Logger;
  readonly limits: Limits;
  readonly leaseMs: number;
  readonly handlers: HandlerSource;
  readonly observer: Observer;
  readonly random: () => number;
  readonly newId: (nowMs: number, slot?: number) => string;
  /** The program of a definition; it is loaded and compiled once. */
  programs(definitionId: string): Promise<Program>;
  /** The same when it is at hand. */
  compiled(definitionId: string): Program | undefined;
  readonly shards: Map<number, OwnedShard>;
  readonly residents: Map<string, Resident>;
  /** How many instances in memory each instance waits for as their parent: so long it stays in memory too. */
  readonly childrenHere: Map<string, number>;
  /**
   * Reads of instances under way: each gathers the ids that left memory meanwhile, whose rows it may have read before
   * they were last written.
   */
  readonly reads: Set<Set<string>>;
  /** Where events go. */
  readonly routing: Routing;
  shardCount: number;
  lane: Lane;
  /** Live nodes that have a handler for a task, this one not among them. As of the last look at the cluster. */
  readonly handlersElsewhere: Map<string, string[]>;
  /** Until when, on the monotonic clock, the node may begin steps. */
  deadlineMs(): number;
  /** No step begins any more: the node drains or has lost its lane. */
  stopping: boolean;
}
