/** What must hold between the rows, what callers were answered, what handlers ran, and what was done to the nodes. */

import { isDeepStrictEqual } from "node:util";
import type { DiaryLine } from "../node/lines.ts";
import type { Zombie } from "../storm/blows.ts";
import type { Started } from "../storm/callers.ts";
import { isTransform } from "./programs.ts";
import type { InstanceRow, Rows } from "./rows.ts";

export interface Run {
  rows: Rows;
  started: readonly Started[];
  diaries: readonly DiaryLine[];
  zombies: readonly Zombie[];
  /** Rows of the events whose publication was answered. */
  published: ReadonlySet<string>;
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
  { law: "a handler begins only on the node that holds the instance's shard", check: strangerFaults },
  { law: "every event that was answered is there", check: lostEvents },
  { law: "a zombie writes nothing under the epochs that it held", check: zombieFaults },
];

function startFaults({ rows, started }: Run): string[] {
  const faults: string[] = [];
  const byName = new Map<string, string[]>();
  const restarts = new Map<string, Set<string>>();
  for (const { id, correlationId, parentId, originId } of rows.instances.values()) {
    if (parentId !== null) continue;
    if (originId !== null) {
      restarts.set(originId, (restarts.get(originId) ?? new Set()).add(id));
      continue;
    }
    const ids = byName.get(correlationId ?? "") ?? [];
    byName.set(correlationId ?? "", [...ids, id]);
  }
  for (const { name, planned, instanceIds, unknown, restarts: answered } of started) {
    // A start whose answer was lost was looked for by its name, and what its caller had planned was done with what was found.
    const origins = instanceIds.size > 0 ? [...instanceIds] : (byName.get(name) ?? []);
    for (const id of answered)
      if (!origins.some((origin) => restarts.get(origin)?.has(id) === true))
        faults.push(`${planned.workflowId} "${name}" was restarted as ${id}, which is not there`);
    const found = byName.get(name) ?? [];
    const what = `${planned.workflowId} "${name}"`;
    if (found.length > 1) faults.push(`${what} is ${found.length} instances: ${found.join(", ")}`);
    if (found.length === 0 && !unknown) faults.push(`${what} has no instance`);
    for (const id of instanceIds)
      if (!found.includes(id)) faults.push(`${what} was answered with ${id}; there is ${found.join(", ") || "none"}`);
  }
  return faults;
}

function lostEvents({ rows, published }: Run): string[] {
  const there = new Set(rows.events?.accepted.map(({ id }) => id));
  return [...published].filter((id) => !there.has(id)).map((id) => `event ${id} was accepted and is not there`);
}

function outcomeFaults({ rows, started }: Run): string[] {
  const byName = new Map(started.map((start) => [start.name, start]));
  return [...rows.instances.values()].flatMap((instance) => {
    // What children come to, their parents' steps say; the checker compares.
    if (instance.parentId !== null) return [];
    if (instance.triggerEventId !== null) return triggeredFaults(instance);
    const start = byName.get(instance.correlationId ?? "");
    if (start === undefined) return [`nobody started ${instance.workflowId} ${instance.id}`];
    return rows.setAside.has(instance.id) ? [] : endFaults(instance, start);
  });
}

/** The input of what an event starts gives its output, too. */
function triggeredFaults({ id, status, input, output, error }: InstanceRow): string[] {
  if (status === "FAILED" && error?.code === "POISON") return [];
  const expected = (input as { n: number }).n + 3;
  const isRight = status === "COMPLETED" && (output as { value?: number } | null)?.value === expected;
  return isRight ? [] : [`${id}, which an event started, ended as ${status} with ${JSON.stringify(output)}`];
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
  for (const { id, steps, definitionId } of rows.instances.values()) {
    for (const { type, status, path, stepId, attempt, epoch } of steps) {
      if (epoch === 0 || isTransform(definitionId, stepId)) continue;
      if (type === "TASK" && status === "COMPLETED" && !ran.has(`${id} ${path} ${attempt}`))
        faults.push(`${id} ${path} completed and never ran`);
    }
  }
  return faults;
}

/** A node that was given up, or gave its shards away, begins nothing on them from the moment that another holds them. */
function strangerFaults({ rows, diaries }: Run): string[] {
  const holders = new Map<number, { node: string; at: number }[]>();
  for (const { entityType, to, data, shard, at } of rows.transitions) {
    if (entityType !== "shard" || to !== "HELD") continue;
    const list = holders.get(shard) ?? [];
    holders.set(shard, list);
    list.push({ node: (data as { node: string }).node, at });
  }
  const faults: string[] = [];
  for (const { instanceId, path, nodeId, at } of begins(diaries)) {
    const shard = rows.instances.get(instanceId)?.shard;
    const list = shard === undefined ? [] : (holders.get(shard) ?? []);
    const holds = list.some(({ node, at: from }, index) => {
      const until = list[index + 1]?.at ?? Number.POSITIVE_INFINITY;
      return node === nodeId && at >= from - clockNoiseMs && at <= until + clockNoiseMs;
    });
    if (!holds) faults.push(`${instanceId} ${path} began at ${at} on ${nodeId}, which did not hold shard ${shard}`);
  }
  return faults;
}

/** The lanes that a node had when it was stopped. */
function lanesOf(rows: Rows, { nodeId, stoppedAt }: Zombie): Rows["lanes"] {
  return rows.lanes.filter((lane) => lane.nodeId === nodeId && lane.openedAt <= stoppedAt);
}

/**
 * Whether others had closed a stopped node's lanes when it went on. They had not where there were no others, or
 * PostgreSQL was away for as long: then its lease ran on with everyone's, and it is no zombie.
 */
export function isGivenUp(rows: Rows, zombie: Zombie): boolean {
  const { continuedAt } = zombie;
  const closed = lanesOf(rows, zombie).every(({ closedAt }) => closedAt !== null && closedAt <= (continuedAt ?? 0));
  return continuedAt !== undefined && closed;
}

function zombieFaults({ rows, zombies }: Run): string[] {
  const faults: string[] = [];
  for (const zombie of zombies) {
    if (!isGivenUp(rows, zombie)) continue;
    const lanes = new Set(lanesOf(rows, zombie).map(({ laneId }) => laneId));
    const epochs = new Set<string>();
    for (const { entityType, to, data, shard } of rows.transitions) {
      if (entityType !== "shard" || to !== "HELD") continue;
      const { lane, epoch } = data as { lane: string; epoch: number };
      if (lanes.has(lane)) epochs.add(`${shard}/${epoch}`);
    }
    for (const { id, steps } of rows.instances.values()) {
      for (const { seq, shard, epoch, recordedAt } of steps) {
        if (recordedAt > zombie.continuedAt! && epochs.has(`${shard}/${epoch}`))
          faults.push(`zombie ${zombie.nodeId} wrote ${id} row ${seq} after it was continued`);
      }
    }
  }
  return faults;
}
