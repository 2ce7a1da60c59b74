/** What must hold between the rows, what callers were answered, what handlers ran, and what was done to the nodes. */

import { isDeepStrictEqual } from "node:util";
import type { DiaryLine } from "../node/lines.ts";
import type { Zombie } from "../storm/blows.ts";
import type { Started } from "../storm/callers.ts";
import type { InstanceRow, Rows } from "./rows.ts";

export interface Run {
  rows: Rows;
  started: readonly Started[];
  diaries: readonly DiaryLine[];
  zombies: readonly Zombie[];
  /** Instances that the engine had set aside and an operator cancelled. */
  parked: ReadonlySet<string>;
}

export type RunLaw = { law: string; check(run: Run): string[] };

/** Diaries have whole milliseconds; rows and diaries are stamped by one machine's clock. */
const clockNoiseMs = 5;

export const runLaws: readonly RunLaw[] = [
  { law: "every accepted start is one instance, and a start that was sent once is at most one", check: startFaults },
  {
    law: "an instance ends as its shape and its callers say, with the output that its input gives",
    check: outcomeFaults,
  },
  { law: "no handler begins a step that is recorded as ended, nor an attempt that is", check: rerunFaults },
  { law: "no handler begins a step before what led to it is recorded", check: hastyFaults },
  { law: "every result was given by a handler", check: inventionFaults },
  { law: "a zombie writes nothing under the epochs that it held", check: zombieFaults },
];

function startFaults({ rows, started }: Run): string[] {
  const faults: string[] = [];
  const byName = new Map<string, string[]>();
  for (const { id, correlationId } of rows.instances.values()) {
    const ids = byName.get(correlationId ?? "") ?? [];
    byName.set(correlationId ?? "", [...ids, id]);
  }
  for (const { name, planned, instanceIds, unknown } of started) {
    const found = byName.get(name) ?? [];
    const what = `${planned.workflowId} "${name}"`;
    if (found.length > 1) faults.push(`${what} is ${found.length} instances: ${found.join(", ")}`);
    if (found.length === 0 && !unknown) faults.push(`${what} has no instance`);
    for (const id of instanceIds)
      if (!found.includes(id)) faults.push(`${what} was answered with ${id}; there is ${found.join(", ") || "none"}`);
  }
  return faults;
}

function outcomeFaults({ rows, started, parked }: Run): string[] {
  const byName = new Map(started.map((start) => [start.name, start]));
  return [...rows.instances.values()].flatMap((instance) => {
    const start = byName.get(instance.correlationId ?? "");
    if (start === undefined) return [`nobody started ${instance.workflowId} ${instance.id}`];
    return parked.has(instance.id) ? [] : endFaults(instance, start);
  });
}

function endFaults(instance: InstanceRow, { planned, cancelled }: Started): string[] {
  const { status, output, error, cancelation, workflowId, id } = instance;
  const { ends, outputs, errorCode } = planned.drawn;
  const what = `${workflowId} ${id}`;
  // A step that was running at five deaths of its node in a row is given up, whatever the workflow.
  if (status === "FAILED" && error?.code === "POISON") return [];
  if (!ends.some((end) => end === status))
    return [`${what} ended as ${status}, not ${ends.join(" or ")}: ${JSON.stringify(error)}`];
  if (status === "COMPLETED" && outputs !== undefined && !outputs.some((one) => isDeepStrictEqual(one, output))) {
    return [`${what} gave ${JSON.stringify(output)}, not ${JSON.stringify(outputs)}`];
  }
  if (status === "FAILED" && error?.code !== errorCode) return [`${what} failed with ${error?.code}, not ${errorCode}`];
  if (status === "CANCELLED" && cancelation === null) return [`${what} is CANCELLED by nobody`];
  if (status === "CANCELLED" && !cancelled && planned.drawn.followUps.length === 0)
    return [`${what} is CANCELLED and nobody asked`];
  return [];
}

type Begun = Extract<DiaryLine, { instanceId: string }>;

const begins = (diaries: readonly DiaryLine[]) => diaries.filter((line): line is Begun => line.kind === "begin");

function rerunFaults({ rows, diaries }: Run): string[] {
  const faults: string[] = [];
  for (const { instanceId, path, attempt, at } of begins(diaries)) {
    for (const step of rows.instances.get(instanceId)?.steps ?? []) {
      if (step.path !== path || step.status === "RUNNING" || step.status === "PENDING") continue;
      const over = step.outcome?.retryAt === undefined || step.attempt >= attempt;
      if (over && at > step.recordedAt + clockNoiseMs) {
        faults.push(
          `${instanceId} ${path}: attempt ${attempt} began ${at - step.recordedAt} ms after ${step.status} of attempt ${step.attempt} was recorded`,
        );
      }
    }
  }
  return faults;
}

function hastyFaults({ rows, diaries }: Run): string[] {
  const faults: string[] = [];
  for (const { instanceId, path, at } of begins(diaries)) {
    const cause = rows.instances.get(instanceId)?.steps.find((step) => step.outcome?.next?.includes(path));
    if (cause !== undefined && at < cause.recordedAt - clockNoiseMs) {
      faults.push(
        `${instanceId} ${path} began ${cause.recordedAt - at} ms before ${cause.path}, which led to it, was recorded`,
      );
    }
  }
  return faults;
}

function inventionFaults({ rows, diaries }: Run): string[] {
  const ran = new Set(begins(diaries).map(({ instanceId, path, attempt }) => `${instanceId} ${path} ${attempt}`));
  const faults: string[] = [];
  for (const { id, steps } of rows.instances.values()) {
    for (const { type, status, path, attempt } of steps) {
      if (type === "TASK" && status === "COMPLETED" && !ran.has(`${id} ${path} ${attempt}`))
        faults.push(`${id} ${path} completed and never ran`);
    }
  }
  return faults;
}

function zombieFaults({ rows, zombies }: Run): string[] {
  const faults: string[] = [];
  for (const { nodeId, stoppedAt, continuedAt } of zombies) {
    if (continuedAt === undefined) continue;
    const held = rows.lanes.filter((lane) => lane.nodeId === nodeId && lane.openedAt <= stoppedAt);
    const open = held.filter(({ closedAt }) => closedAt === null || closedAt > continuedAt);
    // While PostgreSQL is away nobody can close a lane; the zombie's lease runs on with everyone's.
    if (open.length > 0) continue;
    const epochs = new Set<string>();
    for (const { entityType, to, data, shard } of rows.transitions) {
      if (entityType !== "shard" || to !== "HELD") continue;
      const { lane, epoch } = data as { lane: string; epoch: number };
      if (held.some(({ laneId }) => laneId === lane)) epochs.add(`${shard}/${epoch}`);
    }
    for (const { id, steps } of rows.instances.values()) {
      for (const { seq, shard, epoch, recordedAt } of steps) {
        if (recordedAt > continuedAt && epochs.has(`${shard}/${epoch}`))
          faults.push(`zombie ${nodeId} wrote ${id} row ${seq} after it was continued`);
      }
    }
  }
  return faults;
}
