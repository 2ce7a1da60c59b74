/** Events as other rooms publish them, and as the engine routes them. Instants are ISO 8601 text in UTC. */

import type { Json } from "./machine/definition.ts";

/** Who published. `type` is one of workflow, task, integration, external, system, service. */
export interface EventSource {
  type: string;
  id?: string;
  name?: string;
}

export interface EventMetadata {
  correlationId?: string;
  causationId?: string;
  traceId?: string;
  userId?: string;
  tags?: Json;
  [name: string]: Json | undefined;
}

/** An event that has been checked; `pattern` is its name: tokens with dots between, without wildcards. */
export interface EventInput {
  namespace: string;
  /** Deduplicated by (namespace, sourceKey, eventId) for seven days. Absent: one is made, and nothing is deduplicated. */
  eventId?: string;
  pattern: string;
  version?: string;
  source?: EventSource;
  /** Of whoever publishes, for deduplication and search; CloudEvents' `source`. Absent: "". */
  sourceKey?: string;
  /** When it happened; absent: when it was accepted. */
  timestamp?: string;
  payload: Json;
  metadata?: EventMetadata;
  /** Events with the same key are routed in the order in which they were accepted. */
  partitionKey?: string;
}

export interface PublishAnswer {
  /** The event's row. */
  id: string;
  eventId: string;
  /** `duplicate`: it was accepted before, and this is the first one's answer. */
  status: "accepted" | "duplicate";
  /** When it was accepted. */
  timestamp: string;
}

/** An event as expressions see it as `event`, and as targets get it. */
export interface EventView {
  /** The event's row. */
  id: string;
  eventId: string;
  /** The event's name; `pattern` is the same. */
  type: string;
  pattern: string;
  payload: Json;
  metadata: { [name: string]: Json };
  source: Json;
  timestamp: string;
  acceptedAt: string;
  partitionKey: string | null;
}

/** An event is to be routed again: to some targets, or to all triggers and subscribers. */
export interface RouteAgain {
  namespace: string;
  /** The event's row. */
  id: string;
  /** Ids of triggers and subscriptions; absent: all whose patterns fit. */
  targets?: string[];
  /** Marks it as a replay; the same event is routed once per replay. */
  replayId?: string;
  /** The dead letter that this is to resolve, and how the resolution is recorded. */
  deadLetterId?: string;
  resolution?: { strategy: "automatic_retry" | "manual_retry"; by: string };
  /** What is changed of the event for this once. */
  payload?: Json;
}

/** Where events go, as one node has loaded it. Answers are pure: no I/O, the same for the same event. */
export interface RoutingTable {
  /** Of `event_processing_service.routing_revision` when it was loaded. */
  readonly revision: number;
  /** Nothing is routed: events stay accepted. */
  readonly paused: boolean;
  /** The wait shapes whose pattern fits an event's name. */
  shapesFor(namespace: string, name: string): readonly WaitShape[];
  /** Triggers and subscriptions whose pattern fits, in the order of priority (lower first), then of id. */
  targetsFor(namespace: string, name: string): readonly RoutingTarget[];
  /** One of them by its id, whatever its pattern: replays and dead letters name it. */
  target(id: string): RoutingTarget | undefined;
  /** Whether anything (a shape, a trigger, a subscription) could take an event of this name. */
  isWanted(namespace: string, name: string): boolean;
}

export interface WaitShape {
  pattern: string;
  /** Sorted; each is a path into the event, its keys joined by dots as JSON pointers are: `["payload","order"]`. */
  paths: readonly (readonly string[])[];
}

interface TargetFacts {
  id: string;
  namespace: string;
  /** For the ledger. */
  name: string;
}

export type RoutingTarget =
  | (TargetFacts & {
      kind: "start";
      /** A definition's id or a workflowId. */
      definitionId: string;
      version?: string;
      decide(event: EventView): Passed | Matched<{ input: Json; correlationId?: string; priority?: number }>;
    })
  | (TargetFacts & {
      kind: "cancel";
      /** The workflow whose open instances are cancelled: those with this correlation. */
      workflowId: string;
      decide(event: EventView): Passed | Matched<{ correlationId: string; reason: string; compensate: boolean }>;
    })
  | (TargetFacts & {
      kind: "subscription";
      decide(event: EventView): Passed | Matched<object>;
    });

/** It does not take this event. `failed`: an expression erred where that is an error and not a false. */
export interface Passed {
  outcome: "skipped" | "failed";
  reason: string;
}

export type Matched<T> = T & { outcome: "matched" };

/** What the engine is handed: the table of this node, kept up to date. */
export interface RoutingSource {
  /** The table as it is known; loaded when first asked. */
  table(): Promise<RoutingTable>;
  /** Loads again unless what is known has at least this revision. */
  refresh(revision: number): Promise<RoutingTable>;
}
