/** Reads what a run left behind. */

import type { CheckedRows } from "../../src/engine/checker.ts";
import type { Json } from "../../src/engine/index.ts";
import type { JournalEntry } from "../../src/engine/machine/state.ts";
import { putInPlace } from "../../src/engine/payloads.ts";
import type { StoredInstance } from "../../src/engine/store/contract.ts";
import type { Database } from "../../src/foundation/database/index.ts";
import * as queries from "./queries.ts";

export interface StepRow extends JournalEntry {
  instanceId: string;
  shard: number;
  nodeId: string;
  epoch: number;
  recordedAt: number;
  flush?: string;
}

export interface InstanceRow extends Omit<StoredInstance, "entries" | "references" | "parked" | "hops"> {
  parked: Json | null;
  triggerEventId: string | null;
  /** The instance from which it was restarted, and the step where. */
  originId: string | null;
  originStepId: string | null;
  /** Its whole journal, by `seq`. */
  steps: StepRow[];
}

export interface Rows extends Omit<CheckedRows, "instances" | "steps" | "lanes"> {
  instances: Map<string, InstanceRow>;
  lanes: (CheckedRows["lanes"][number] & { openedAt: number })[];
  /** Instances that the engine had set aside and an operator cancelled: their journals break off. */
  setAside: ReadonlySet<string>;
  /** References to payloads that are not there or not claimed, by the instance that has them. */
  looseReferences: string[];
}

type Raw<T> = { [K in keyof T]: T[K] | null };

export async function readRows(db: Database, setAside: ReadonlySet<string>): Promise<Rows> {
  const payloads = new Map(
    (await db.query<{ id: string; claimed: boolean; body: Json }>(queries.readPayloads)).map(({ id, ...rest }) => [
      id,
      rest,
    ]),
  );
  const bodies = new Map([...payloads].map(([id, { body }]) => [id, body]));
  const looseReferences: string[] = [];
  const settled = <T extends { id?: string; instanceId?: string }>(row: T): T => {
    for (const [, id] of JSON.stringify(row).matchAll(/\{"\$payload":"([^"]+)"\}/g)) {
      const found = payloads.get(id!);
      if (found?.claimed !== true)
        looseReferences.push(
          `${row.instanceId ?? row.id} refers to payload ${id}, which is ${found === undefined ? "not there" : "not claimed"}`,
        );
    }
    return putInPlace(row, bodies);
  };

  const instances = new Map<string, InstanceRow>();
  for (const row of await db.query<Omit<InstanceRow, "steps">>(queries.readInstances)) {
    instances.set(row.id, {
      ...settled(row),
      startedAt: Math.round(row.startedAt),
      completedAt: rounded(row.completedAt),
      steps: [],
    });
  }
  for (const row of await db.query<Raw<StepRow> & { instanceId: string }>(queries.readSteps)) {
    instances.get(row.instanceId)?.steps.push(stepOf(settled(row)));
  }
  return {
    instances,
    looseReferences,
    setAside,
    transitions: await db.query<Rows["transitions"][number]>(queries.readTransitions),
    waits: await db.query<Rows["waits"][number]>(queries.readWaits),
    lanes: await db.query<Rows["lanes"][number]>(queries.readLanes),
    marks: await db.query<Rows["marks"][number]>(queries.readMarks),
    timers: await db.query<Rows["timers"][number]>(queries.readTimers),
    inbox: await db.query<Rows["inbox"][number]>(queries.readInbox),
    permits: await db.query<Rows["permits"][number]>(queries.readPermits),
    events: {
      accepted: await db.query<NonNullable<Rows["events"]>["accepted"][number]>(queries.readEvents),
      routings: await db.query<NonNullable<Rows["events"]>["routings"][number]>(queries.readRoutings),
      deliveries: await db.query<NonNullable<Rows["events"]>["deliveries"][number]>(queries.readDeliveries),
    },
    tallies: await db.query<NonNullable<Rows["tallies"]>[number]>(queries.readTallies),
  };
}

/** SQL null is absent, except for the output of what is completed. Steps' times are whole milliseconds; the record's is not. */
function stepOf(row: Raw<StepRow>): StepRow {
  const kept = Object.entries(row).filter(
    ([name, value]) => value !== null || (name === "output" && row.status === "COMPLETED"),
  );
  const step = Object.fromEntries(kept) as Record<string, unknown> as Raw<StepRow> as StepRow;
  step.startedAt = Math.round(step.startedAt);
  if (step.completedAt !== undefined) step.completedAt = Math.round(step.completedAt);
  return step;
}

function rounded(at: number | null): number | null {
  return at === null ? null : Math.round(at);
}
