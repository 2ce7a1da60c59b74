/** What must hold of the rows of any run, whatever was killed meanwhile: the checker's laws and a few of its own. */

import { type CheckedEvent, checkRows } from "../../src/engine/checker.ts";
import { thaw } from "../../src/engine/fold.ts";
import { compensationScope, frameOf, isFinal, type JournalEntry, visitOf } from "../../src/engine/machine/state.ts";
import { essence } from "../../src/engine/simulation/law.ts";
import { fires, subscriptionId, triggerId } from "../node/routing.ts";
import { versionsByName } from "../shapes/index.ts";
import { joinOf, limitsOf, programOf } from "./programs.ts";
import type { InstanceRow, Rows, StepRow } from "./rows.ts";

export interface Law {
  law: string;
  /** Each violation as a sentence. */
  check(rows: Rows): string[];
}

/** Times of the nodes are learnt from PostgreSQL's answers and rounded to milliseconds. */
const toleranceMs = 5;

export const rowLaws: readonly Law[] = [
  { law: "the checker finds nothing in the rows", check: checkerFaults },
  { law: "no path begins that was not decided to begin", check: (rows) => each(rows, (one) => pathFaults(one, rows)) },
  {
    law: "the fold of the whole journal is what the instance's row says",
    check: (rows) => each(rows, (one) => foldFaults(one, rows)),
  },
  { law: "a wait ends as its journal says, and by a signal or event where it was fulfilled", check: waitFaults },
  {
    law: "no timer is left",
    check: ({ timers, setAside }) =>
      timers
        .filter(({ instanceId }) => !setAside.has(instanceId))
        .map(({ instanceId, key }) => `timer "${key}" of ${instanceId}`),
  },
  { law: "every payload that is referred to is there, and claimed", check: ({ looseReferences }) => looseReferences },
];

/** Whatever is in the database was accepted: instances whose start got no answer must end too. */
function checkerFaults(rows: Rows): string[] {
  const instances = [...rows.instances.values()];
  const steps = instances.flatMap((instance) =>
    instance.steps.map((step) => ({ ...step, errorCode: step.error?.code })),
  );
  const checked = {
    ...rows,
    instances: instances.map((instance) => ({
      ...instance,
      parked: instance.parked !== null,
      errorCode: instance.error?.code ?? null,
      triggerId:
        instance.startedBy?.startsWith("trigger:") === true ? instance.startedBy.slice("trigger:".length) : null,
    })),
    steps,
  };
  const own = (id: string) => rows.instances.get(id);
  return checkRows(checked, {
    ...{ accepted: rows.instances.keys(), settled: true, setAside: rows.setAside, toleranceMs, visibleMs: 5_000 },
    joinOf: (id, stepId) => joinOf(own(id), stepId),
    limitsOf: (id) => limitsOf(own(id)),
    targetsOf,
    fits: ({ id }, { since }, event) => {
      const { namespace, workflowId, input } = own(id)!;
      const { order } = event.payload as { order?: number };
      const name = { event: /^order\.paid$/, events: /^basket\.[^.]+$/ }[workflowId];
      if (name === undefined || event.namespace !== namespace || event.acceptedAt < (since ?? 0)) return false;
      return name.test(event.pattern) && order === (input as { order?: number }).order;
    },
  });
}

/** Of the targets that every node knows. */
function targetsOf({ pattern }: CheckedEvent): { id: string; sure: boolean }[] {
  const all = [{ id: subscriptionId, sure: true }];
  return pattern === fires ? [...all, { id: triggerId, sure: true }] : all;
}

function each({ instances, setAside }: Rows, check: (instance: InstanceRow) => string[]): string[] {
  return [...instances.values()].filter(({ id }) => !setAside.has(id)).flatMap(check);
}

const goesOn = (step: StepRow) => step.status === "RUNNING" || step.status === "PENDING";
const endsPath = (step: StepRow) => !goesOn(step) && step.outcome?.retryAt === undefined;

/** What a new visit begins that no row names: somebody tried the instance again, or the workflow itself did. */
function beganAgain({ id, definitionId }: InstanceRow, { transitions }: Rows): boolean {
  const retries = programOf(definitionId)?.retry !== undefined;
  return retries || transitions.some(({ entityId, event }) => entityId === id && event === "workflow_retried");
}

function pathFaults(instance: InstanceRow, rows: Rows): string[] {
  const { id, steps, definitionId } = instance;
  const decided = new Set([programOf(definitionId)?.entry, ...steps.flatMap(({ outcome }) => outcome?.next ?? [])]);
  const again = beganAgain(instance, rows);
  const undecided = steps.filter(({ path }) => {
    // The plan of a compensation, which is part of the row's state, names its first step.
    if (decided.has(path) || path.startsWith(compensationScope)) return false;
    return !(again && frameOf(path) === "" && visitOf(path) > 1);
  });
  return undecided.map(({ seq, path }) => `${id} row ${seq}: nothing began ${path}`);
}

/** Parts of the state that the journal alone does not carry: the row's `state` is written whenever they change. */
const besidesJournal = new Set([
  "compensation",
  "cancelation",
  "error",
  "output",
  "status",
  "completedAt",
  "mailbox",
  "keyedSignals",
]);

/** The journal of an instance that somebody put on another course is not all that there is of it. */
function isWholeJournal(instance: InstanceRow, rows: Rows): boolean {
  const { originId, definitionId, workflowId, steps } = instance;
  const migrated = versionsByName.get(workflowId)?.definitionId !== definitionId;
  const skipped = steps.some(({ status }) => status === "SKIPPED");
  // The visits of compensations are counted when they are planned.
  const undone = steps.some(({ path }) => path.startsWith(compensationScope));
  return originId === null && !migrated && !skipped && !undone && !beganAgain(instance, rows);
}

function foldFaults(instance: InstanceRow, rows: Rows): string[] {
  const { id, steps, stateSeq, definitionId } = instance;
  const program = programOf(definitionId);
  if (program === undefined || !isFinal(instance.status)) return [];
  const stored = { ...instance, parked: false, references: new Map(), hops: null };
  const fold = (from: { entries: JournalEntry[]; state?: null; stateSeq?: 0 }) =>
    essence(thaw(program, structuredClone({ ...stored, ...from })));
  const rest = fold({ entries: steps.filter(({ seq }) => seq > stateSeq) });
  const faults: string[] = [];
  if (isWholeJournal(instance, rows)) {
    const whole = fold({ state: null, stateSeq: 0, entries: steps });
    for (const [part, text] of whole) {
      if (!besidesJournal.has(part) && rest.get(part) !== text)
        faults.push(`${id}: ${part} is ${rest.get(part)} by its row, ${text} by its journal`);
    }
  }
  if (rest.get("live") !== "[]") faults.push(`${id} is ${instance.status} with live steps ${rest.get("live")}`);
  const last = steps.findLast((step) => frameOf(step.path) === "" && endsPath(step));
  if (instance.status === "COMPLETED" && last?.status === "FAILED" && last.outcome?.next === undefined)
    faults.push(`${id} is COMPLETED, and a step of it failed`);
  return faults;
}

function waitFaults(rows: Rows): string[] {
  const statusOf = new Map(rows.waits.map(({ instanceId, path, status }) => [`${instanceId} ${path}`, status]));
  const expected: Record<string, string> = {
    ...{ COMPLETED: "fulfilled", FAILED: "expired", CANCELLED: "cancelled", SKIPPED: "cancelled" },
  };
  return each(rows, ({ id, steps }) => {
    const faults: string[] = [];
    for (const step of steps) {
      if (step.type !== "EVENT_WAIT" || goesOn(step)) continue;
      const wait = `${id} ${step.path}`;
      // A signal that came before fulfils a wait without opening it.
      const opened = steps.some((row) => row.path === step.path && goesOn(row));
      const status = statusOf.get(wait);
      if (opened && status !== expected[step.status])
        faults.push(`${wait} is ${status}, its journal says ${step.status}`);
      if (step.status === "COMPLETED" && step.outcome?.signalId === undefined && step.outcome?.eventId === undefined)
        faults.push(`${wait} completed without a signal or event`);
    }
    return faults;
  });
}
