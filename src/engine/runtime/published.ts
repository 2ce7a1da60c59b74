/** What an instance publishes: events of its steps, and those that the engine tells of it where somebody wants them. */

import { shardOf, slotOfKey } from "../../foundation/ids.ts";
import type { EventInput } from "../contract_events.ts";
import type { DecideContext, Decision, PublishedEvent as StepEvent } from "../machine/facts.ts";
import { hopLimit } from "../machine/publishing.ts";
import { encodeMessage } from "../store/rows.ts";
import type { Core } from "./core.ts";
import type { Resident } from "./resident.ts";
import { slotOf } from "./slots.ts";
import { addExtra, type PublishedEvent, type Work } from "./work.ts";

/** What the machine asks for while it decides. */
export function publishingContext(
  core: Core,
  { namespace, shard }: Resident,
): Required<Pick<DecideContext, "eventId" | "wants">> {
  return {
    eventId: (partitionKey) =>
      core.newId(
        core.time.now(),
        partitionKey === undefined ? slotOf(core, shard) : slotOfKey(namespace, partitionKey),
      ),
    wants: (name) => core.routing.table.isWanted(namespace, name),
  };
}

/** Puts the events of a decision into its work. What the engine tells is for the instance's own shard. */
export function encodePublished(core: Core, work: Work, resident: Resident, decision: Decision): void {
  for (const event of decision.published) {
    const row = rowOf(core, resident, event);
    if (event.eventId === undefined) publish(work, row);
    else addExtra(work, "inboxPosted", messageOf(resident, row));
  }
  const hops = (resident.state.hops ?? 0) + 1;
  for (const { name, data } of decision.lifecycle) {
    if (hops > hopLimit) {
      core.log.warn({ instance: resident.id, event: name }, "too many events led to each other; this one is not told");
      continue;
    }
    const { correlationId } = data;
    const metadata = { ...(correlationId === undefined ? {} : { correlationId }), causationId: resident.id, hops };
    const id = core.newId(core.time.now(), slotOf(core, resident.shard));
    const source = { type: "workflow", id: resident.id, name: resident.program.workflowId };
    publish(work, rowOf(core, resident, { id, pattern: name, payload: data, metadata, source }));
  }
}

function publish(work: Work, row: PublishedEvent): void {
  if (work.published === undefined) work.published = [row];
  else work.published.push(row);
}

function rowOf(core: Core, { namespace }: Resident, event: StepEvent): PublishedEvent {
  return {
    shard: shardOf(event.id, core.shardCount),
    id: event.id,
    namespace,
    eventId: event.eventId ?? event.id,
    pattern: event.pattern,
    version: null,
    source: event.source,
    sourceKey: null,
    timestamp: null,
    payload: event.payload,
    metadata: event.metadata,
    partitionKey: event.partitionKey ?? null,
    keyShard: null,
  };
}

/** One with an id of its own is deduplicated, which is intake's to do: the lane writes no keys. */
function messageOf({ shard: fromShard }: Resident, row: PublishedEvent): string {
  const { shard, id: to, namespace, eventId, pattern, payload, metadata, partitionKey } = row;
  const source = row.source as EventInput["source"] & object;
  const given = partitionKey === null ? {} : { partitionKey };
  const fact: EventInput = { namespace, eventId, pattern, payload, metadata, source, ...given };
  return encodeMessage({ shard, kind: "PUBLISH", to, fact, fromShard });
}
