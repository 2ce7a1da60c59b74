/** What the orchestrator and a node tell each other, one JSON object a line over the node's standard input and output. */

import type {
  CancelRequest,
  EventInput,
  LifeRequest,
  MigrateRequest,
  RestartRequest,
  SignalRequest,
  StartRequest,
} from "../../src/engine/index.ts";

export type Request =
  | { id: number; ask: "start"; request: StartRequest }
  | { id: number; ask: "signal"; request: SignalRequest }
  | { id: number; ask: "cancel"; request: CancelRequest }
  | { id: number; ask: "pause" | "resume" | "retry"; request: LifeRequest }
  | { id: number; ask: "skip"; request: LifeRequest & { stepId: string } }
  | { id: number; ask: "priority"; request: LifeRequest & { priority: number } }
  | { id: number; ask: "migrate"; request: MigrateRequest }
  | { id: number; ask: "restart"; request: RestartRequest }
  | { id: number; ask: "publish"; events: EventInput[] }
  /** Kill `pids` and, if `self`, this process, `afterSentUs` after the next flush was sent and before its answer came. */
  | { id: number; ask: "strike"; postgresPid?: number; self: boolean; afterSentUs: number };

export type Reply =
  | { event: "ready"; nodeId: string }
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; code: string; kind: string; message: string };

/** Where a blow fell. */
export interface Strike {
  /** A flush had been sent and its answer had not come. */
  inFlush: boolean;
  laneId?: string;
  seq?: number;
  at: number;
}

/** A line of a node's diary, a file that outlives it. */
export type DiaryLine =
  | { kind: "begin" | "end"; nodeId: string; instanceId: string; path: string; attempt: number; at: number }
  | ({ kind: "strike"; id: number } & Strike);
