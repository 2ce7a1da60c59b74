/**
 * What an event leads to beside waits: instances that its triggers start and cancel, deliveries to subscribers, dead letters
 * for what cannot be; and the row that says all of it. One work, with which the event leaves the inbox.
 */

import type { EventView, RoutingTable, RoutingTarget } from "../contract_events.ts";
import { isRefusal } from "../errors.ts";
import type { Json } from "../machine/definition.ts";
import type { InboxRow, StoredEvent } from "../store/contract.ts";
import { encodeMessage } from "../store/rows.ts";
import type { Core, OwnedShard } from "./core.ts";
import type { Prepared, Starting } from "./starting.ts";
import type { Turn, Turns } from "./turns.ts";
import { addExtra, emptyWork, type Work } from "./work.ts";

/** Instances that one CANCEL trigger cancels at once. */
const cancelLimit = 1_000;
/** Decisions about targets that did not take an event, which the ledger keeps. */
const skippedKept = 50;

/** How an inbox row of an event came. */
export interface EventDelivery {
  row: InboxRow;
  /** The shard as it was held when the row was taken. */
  owned: OwnedShard;
  settled(): void;
  failed(): void;
}

/** What an inbox row of an event says: nothing, or that it is routed again. */
export interface EventFact {
  /** The event itself, where it is at hand. */
  event?: StoredEvent;
  /** Whose event it must be. */
  namespace?: string;
  targets?: string[];
  replayId?: string;
  deadLetterId?: string;
  resolution?: { strategy: string; by: string };
  payload?: Json;
}

/** An event that is being routed. */
export interface Routed {
  delivery: EventDelivery;
  fact: EventFact;
  event: StoredEvent;
  view: EventView;
}

/** One line of the ledger. */
export interface Decided {
  target: { kind: string; id: string; path?: string; name?: string };
  outcome: "delivered" | "late" | "sent" | "started" | "cancelled" | "queued" | "skipped" | "failed";
  reason?: string;
  instanceId?: string;
  deliveryId?: string;
}

export interface Settling {
  /** Facts for waits of other lanes. */
  posted: readonly string[];
  /** What was decided about waits. */
  decisions: readonly Decided[];
  targets: readonly (RoutingTarget | Missing)[];
  /** What starts resolved as "latest" was not so any more. */
  fresh: boolean;
}

/** A target that was named and is not there. */
interface Missing {
  kind: "missing";
  id: string;
}

interface Refusal {
  message: string;
  type: string;
  code: string;
  context?: Json;
}

type Start = Extract<RoutingTarget, { kind: "start" }>;
type Named = { kind: string; id: string; name?: string };

export interface SettlingParts {
  starting: Starting;
  turns: Turns;
  posted(shards: number[]): void;
  /** Deliveries to subscribers are in the store. */
  delivering(): void;
}

/**
 * Decides about the targets of an event and submits the whole; gives whether it starts instances. Rejects where that is to
 * be tried again.
 */
export type Settle = (routed: Routed, settling: Settling) => Promise<boolean>;

/** The targets of an event: all that fit, or those that are named. */
export function targetsOf(table: RoutingTable, { event, fact }: Routed): (RoutingTarget | Missing)[] {
  if (fact.targets === undefined) return [...table.targetsFor(event.namespace, event.pattern)];
  return fact.targets.map((id) => {
    const target = table.target(id);
    return target?.namespace === event.namespace ? target : { kind: "missing", id };
  });
}

export function createSettling(core: Core, parts: SettlingParts): Settle {
  async function settle(routed: Routed, settling: Settling): Promise<boolean> {
    const { delivery, event, view, fact } = routed;
    const work = emptyWork({ shard: event.shard, instanceId: event.id });
    for (const row of settling.posted) addExtra(work, "inboxPosted", row);
    const decisions = [...settling.decisions];
    const starts: { named: Named; start: Matching<Start>; prepared: Prepared }[] = [];
    let failure: Refusal | undefined;
    let skipped = 0;

    function refuse(named: Named, refused: Refusal): void {
      failure = refused;
      decisions.push({ target: named, outcome: "failed", reason: refused.message });
      if (fact.deadLetterId === undefined) addExtra(work, "deadLettered", letterOf(core, event, { named, refused }));
    }

    for (const target of settling.targets) {
      if (target.kind === "missing") {
        const message = `There is no trigger or subscription "${target.id}" that is enabled`;
        refuse({ kind: "trigger", id: target.id }, { message, type: "NOT_FOUND", code: "TARGET_NOT_FOUND" });
        continue;
      }
      const named = {
        kind: target.kind === "subscription" ? "subscription" : "trigger",
        id: target.id,
        name: target.name,
      };
      const decided = target.decide(view);
      if (decided.outcome === "skipped") {
        if (skipped++ < skippedKept) decisions.push({ target: named, outcome: "skipped", reason: decided.reason });
      } else if (decided.outcome === "failed")
        refuse(named, { message: decided.reason, type: "VALIDATION", code: "TARGET_FAILED" });
      else if (target.kind === "subscription") {
        const deliveryId = core.newId(core.time.now());
        const row = [deliveryId, event.shard, event.namespace, event.id, target.id, fact.replayId ?? null];
        addExtra(work, "deliveries", JSON.stringify(row));
        decisions.push({ target: named, outcome: "queued", deliveryId });
      } else if (target.kind === "cancel") {
        const { workflowId } = target;
        for (const instanceId of await cancelAll(work, event, { ...(decided as Matching<typeof target>), workflowId }))
          decisions.push({ target: named, outcome: "cancelled", instanceId });
        countFiring(work, event.shard, target.id);
      } else {
        const start = decided as Matching<Start>;
        const prepared = await prepare(event.namespace, target, { input: start.input, fresh: settling.fresh });
        if ("message" in prepared) refuse(named, prepared);
        else starts.push({ named, start, prepared });
      }
    }
    if (core.shards.get(event.shard) !== delivery.owned || delivery.owned.phase === "releasing") {
      delivery.failed();
      return false;
    }
    // From here to the submission nothing waits: what begins is in memory.
    const turns: Turn[] = [];
    for (const { named, start, prepared } of starts) {
      try {
        const begun = begin(work, event, { named, start, prepared });
        turns.push(begun);
        decisions.push({ target: named, outcome: "started", instanceId: begun.resident.id });
        countFiring(work, event.shard, named.id);
      } catch (error) {
        core.log.error({ err: error, event: event.id, trigger: named.id }, "an event's instance could not begin");
        refuse(named, { message: "The engine cannot begin this instance", type: "SYSTEM", code: "BROKEN" });
      }
    }
    if (fact.deadLetterId !== undefined) addExtra(work, "deadLettersSettled", settledRow(fact, failure));
    submit(routed, { settling, work, turns, decisions });
    return starts.length > 0;
  }

  async function prepare(
    namespace: string,
    { definitionId: ref, version }: Start,
    { input, fresh }: { input: Json; fresh: boolean },
  ): Promise<Prepared | Refusal> {
    try {
      const named = version === undefined ? {} : { version };
      return await parts.starting.prepare({ namespace, ref, ...named, input, fresh });
    } catch (error) {
      const refused = refusalOf(error);
      if (refused === undefined) throw error;
      return refused;
    }
  }

  function begin(
    work: Work,
    event: StoredEvent,
    what: { named: Named; start: Matching<Start>; prepared: Prepared },
  ): Turn {
    const { named, start, prepared } = what;
    const { hops } = event.metadata;
    return parts.starting.begin(work, {
      shard: event.shard,
      namespace: event.namespace,
      prepared,
      input: start.input,
      priority: start.priority ?? 5,
      correlationId: start.correlationId ?? null,
      startedBy: `trigger:${named.id}`,
      trigger: { id: event.id, acceptedAt: event.acceptedAt },
      hops: typeof hops === "number" ? hops : 0,
    });
  }

  async function cancelAll(
    work: Work,
    event: StoredEvent,
    what: { workflowId: string; correlationId: string; reason: string; compensate: boolean },
  ): Promise<string[]> {
    const { workflowId, correlationId, reason, compensate } = what;
    const { namespace, shard: fromShard, eventId } = event;
    const found = await core.store.openInstances({ namespace, workflowId, correlationId, limit: cancelLimit });
    const requestedAt = new Date(core.time.now()).toISOString();
    const fact = { reason, requestedBy: "event", requestedAt, source: "EVENT", compensate, eventId };
    for (const { shard, id: to } of found)
      addExtra(work, "inboxPosted", encodeMessage({ shard, kind: "CANCEL", to, fact, fromShard }));
    return found.map(({ id }) => id);
  }

  function countFiring(work: Work, shard: number, triggerId: string): void {
    addExtra(work, "firings", `[${shard},"${triggerId}",1,${core.time.now()}]`);
  }

  function submit(routed: Routed, what: { settling: Settling; work: Work; turns: Turn[]; decisions: Decided[] }): void {
    const { delivery, event, fact } = routed;
    const { settling, work, turns, decisions } = what;
    addExtra(
      work,
      "routed",
      JSON.stringify([event.shard, event.id, fact.replayId ?? null, event.namespace, decisions]),
    );
    addExtra(work, "inboxConsumed", `[${delivery.row.shard},${delivery.row.id}]`);

    const undo = () => parts.turns.undo(turns);
    const anew = (change: Partial<Settling>) => {
      undo();
      settle(routed, { ...settling, ...change }).catch((error: unknown) => {
        core.log.warn({ err: error, event: event.id }, "an event could not be routed; it is tried again");
        delivery.failed();
      });
    };
    work.committed = () => {
      delivery.owned.underWay.delete(delivery.row.id);
      if (work.extras?.inboxPosted !== undefined) parts.posted(addressees(work.extras.inboxPosted));
      if (work.extras?.deliveries !== undefined) parts.delivering();
      parts.turns.committed(turns, () => delivery.settled());
    };
    work.dropped = () => {
      undo();
      delivery.failed();
    };
    work.stale = () => anew({ fresh: true });
    work.refused = (error) => {
      core.log.warn({ err: error, event: event.id }, "the store refused what an event leads to");
      const begun = new Set(turns.map(({ resident }) => resident.facts.startedBy));
      const isAtFault = ({ id }: { id: string }) => begun.has(`trigger:${id}`);
      if (begun.size > 0) {
        // The other targets are not held up by those whose input cannot be stored.
        const targets = settling.targets.map((target) => (isAtFault(target) ? unstorable(target, error) : target));
        anew({ targets });
        return;
      }
      undo();
      setAside(routed, error);
    };
    core.lane.submit(work);
  }

  /** Nothing of it can be stored: it counts as routed, and is a dead letter. */
  function setAside({ delivery, event, fact }: Routed, error: Error): void {
    const work = emptyWork({ shard: event.shard, instanceId: event.id });
    const named = { kind: "router", id: event.id };
    const refused = { message: error.message, type: "VALIDATION", code: "UNSTORABLE" };
    const decisions: Decided[] = [{ target: named, outcome: "failed", reason: "the store refused what it leads to" }];
    addExtra(work, "deadLettered", letterOf(core, { ...event, payload: null, metadata: {} }, { named, refused }));
    addExtra(
      work,
      "routed",
      JSON.stringify([event.shard, event.id, fact.replayId ?? null, event.namespace, decisions]),
    );
    consumeRow(core, delivery, work);
  }

  return settle;
}

type Matching<T extends RoutingTarget> = Extract<ReturnType<T["decide"]>, { outcome: "matched" }>;

/** Takes an inbox row away with a work, or alone. */
export function consumeRow(
  core: Core,
  { row, owned, settled, failed }: EventDelivery,
  work: Work = emptyWork({ shard: row.shard, instanceId: row.instanceId }),
): void {
  addExtra(work, "inboxConsumed", `[${row.shard},${row.id}]`);
  work.committed = () => {
    owned.underWay.delete(row.id);
    settled();
  };
  work.dropped = failed;
  work.refused = failed;
  core.lane.submit(work);
}

/** The shards of rows for inboxes: each begins with its shard. */
function addressees(rows: readonly string[]): number[] {
  return [...new Set(rows.map((row) => Number(row.slice(1, row.indexOf(",")))))];
}

/** What refuses a start for good; anything else may pass. */
function refusalOf(error: unknown): Refusal | undefined {
  if (!isRefusal(error)) return undefined;
  const type = error.kind === "invalid" ? "VALIDATION" : error.kind.toUpperCase();
  const context = JSON.parse(JSON.stringify({ errors: error.errors, ...error.details })) as Json;
  return { message: error.message, type, code: error.code, context };
}

function unstorable<T extends RoutingTarget | Missing>(target: T, error: Error): T {
  const reason = `The database cannot store what the event leads to: ${error.message}`;
  return { ...target, decide: () => ({ outcome: "failed", reason }) };
}

function letterOf(core: Core, event: StoredEvent, { named, refused }: { named: Named; refused: Refusal }): string {
  const { namespace, eventId, id, pattern, payload, metadata, source, sourceKey, partitionKey } = event;
  const timestamp = new Date(event.timestamp).toISOString();
  const original = { eventId, pattern, payload, metadata, source, sourceKey, timestamp, partitionKey };
  const head = [core.newId(core.time.now()), namespace, eventId, id, `${named.kind}:${named.id}`, original];
  return JSON.stringify([
    ...head,
    refused.message.slice(0, 10_000),
    refused.type,
    refused.code,
    refused.context ?? null,
  ]);
}

/** The row that says what became of a dead letter. */
function settledRow({ deadLetterId, resolution }: EventFact, failure: Refusal | undefined): string {
  const { strategy = "manual_retry", by = "" } = resolution ?? {};
  return JSON.stringify([
    deadLetterId,
    failure?.message ?? null,
    failure?.type ?? null,
    failure?.code ?? null,
    strategy,
    by,
  ]);
}
