/** What must hold of the rows of any run, whatever was killed meanwhile: the checker's laws and a few of its own. */

import { checkRows } from "../../src/engine/checker.ts";
import { thaw } from "../../src/engine/fold.ts";
import { compile } from "../../src/engine/machine/program.ts";
import { isFinal } from "../../src/engine/machine/state.ts";
import { essence } from "../../src/engine/simulation/law.ts";
import { shapesByName } from "../shapes/index.ts";
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
  { law: "no path begins that was not decided to begin", check: (rows) => each(rows, pathFaults) },
  {
    law: "the fold of the whole journal is what the instance's row says",
    check: (rows) => each(rows, foldFaults),
  },
  { law: "a wait ends as its journal says, and by a signal where it was fulfilled", check: waitFaults },
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
    instances: instances.map((instance) => ({ ...instance, parked: instance.parked !== null })),
    steps,
  };
  return checkRows(checked, { accepted: rows.instances.keys(), settled: true, setAside: rows.setAside, toleranceMs });
}

function each({ instances, setAside }: Rows, check: (instance: InstanceRow) => string[]): string[] {
  return [...instances.values()].filter(({ id }) => !setAside.has(id)).flatMap(check);
}

const goesOn = (step: StepRow) => step.status === "RUNNING" || step.status === "PENDING";
const endsPath = (step: StepRow) => !goesOn(step) && step.outcome?.retryAt === undefined;

function pathFaults({ id, steps, workflowId }: InstanceRow): string[] {
  const first = shapesByName.get(workflowId)?.definition.steps[0]?.stepId;
  const decided = new Set([first, ...steps.flatMap(({ outcome }) => outcome?.next ?? [])]);
  // The plan of a compensation, which is part of the row's state, names its first step.
  const undecided = steps.filter(({ path }) => !decided.has(path) && !path.startsWith("~/"));
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

function foldFaults(instance: InstanceRow): string[] {
  const { id, steps, stateSeq } = instance;
  const shape = shapesByName.get(instance.workflowId);
  if (shape === undefined || !isFinal(instance.status)) return [];
  const program = compile(shape.definition, { definitionId: shape.definitionId, namespace: instance.namespace });
  const stored = { ...instance, parked: false, references: new Map() };
  const whole = essence(thaw(program, structuredClone({ ...stored, state: null, stateSeq: 0, entries: steps })));
  const rest = essence(
    thaw(program, structuredClone({ ...stored, entries: steps.filter(({ seq }) => seq > stateSeq) })),
  );
  const faults: string[] = [];
  for (const [part, text] of whole) {
    if (!besidesJournal.has(part) && rest.get(part) !== text)
      faults.push(`${id}: ${part} is ${rest.get(part)} by its row, ${text} by its journal`);
  }
  if (whole.get("live") !== "[]") faults.push(`${id} is ${instance.status} with live steps ${whole.get("live")}`);
  if (
    instance.status === "COMPLETED" &&
    steps.some((step) => endsPath(step) && step.status === "FAILED" && step.outcome?.next === undefined)
  ) {
    faults.push(`${id} is COMPLETED, and a step of it failed`);
  }
  return faults;
}

function waitFaults(rows: Rows): string[] {
  const statusOf = new Map(rows.waits.map(({ instanceId, path, status }) => [`${instanceId} ${path}`, status]));
  const expected: Record<string, string> = { COMPLETED: "fulfilled", FAILED: "expired", CANCELLED: "cancelled" };
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
      if (step.status === "COMPLETED" && step.outcome?.signalId === undefined)
        faults.push(`${wait} completed without a signal`);
    }
    return faults;
  });
}
