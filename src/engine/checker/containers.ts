/**
 * PARALLEL and MAP, by their rows: each branch and item begins once, ends once, and before its container; a join has what
 * it needs; no more items are under way than may be; what is joined is what the branches and items gave.
 */

import { compensationScope, frameOf, isWithin, placeOf, stepIdOf } from "../machine/state.ts";
import { type CheckedStep, type CheckOptions, comparable, goesOn } from "./rows.ts";

interface Container {
  path: string;
  type: CheckedStep["type"];
  total: number;
  /** By branchId, or an item's index as text. */
  places: Map<string, Place>;
  open: number;
  /** The row that ended it. */
  ended: CheckedStep | undefined;
  /** What visits before it, which did not complete, had completed: a retry goes on from there. */
  before: Map<string, Place>;
}

interface Place {
  /** The row that ended it. */
  closed: CheckedStep | undefined;
}

const fails = ({ closed }: Place) => closed?.errorCode !== undefined;

/** `steps` are all rows of one instance, in their order. */
export function checkContainers(
  instanceId: string,
  steps: readonly CheckedStep[],
  options: Pick<CheckOptions, "joinOf">,
  faults: string[],
): void {
  let containers = new Map<string, Container>();
  let open = new Set<string>();
  /** By the step's place in the definition and in the journal: the last visit. */
  let visits = new Map<string, Container>();
  const fault = (step: CheckedStep, what: string) => faults.push(`instance ${instanceId}: row ${step.seq} ${what}`);

  /** The branch or item that a path belongs to, in each of the containers around it, the innermost first. */
  function placeAround(step: CheckedStep, path: string): { container: Container; place: string } | undefined {
    const frame = frameOf(path);
    if (frame === "" || path.startsWith(compensationScope)) return undefined;
    const { container: name, place } = placeOf(frame);
    const container = containers.get(name);
    if (container === undefined) fault(step, `is of "${path}", and "${name}" has not begun`);
    return container && { container, place };
  }

  function begin(step: CheckedStep, total: number): void {
    if (containers.has(step.path)) fault(step, `begins "${step.path}" again`);
    const base = `${frameOf(step.path)}/${stepIdOf(step.path)}`;
    const last = visits.get(base);
    const before = new Map<string, Place>();
    if (last?.ended !== undefined && last.ended.status !== "COMPLETED" && last.ended.status !== "SKIPPED") {
      for (const [name, place] of [...last.before, ...last.places])
        if (place.closed !== undefined && !fails(place)) before.set(name, place);
    }
    const { path, type } = step;
    const container = { path, type, total, places: new Map(), open: 0, ended: undefined, before };
    containers.set(path, container);
    visits.set(base, container);
  }

  function enter(step: CheckedStep, path: string): void {
    const around = placeAround(step, path);
    if (around === undefined) return;
    const { container, place } = around;
    const known = container.places.get(place);
    if (known !== undefined) {
      if (known.closed !== undefined) fault(step, `begins "${path}" in a place that ended in row ${known.closed.seq}`);
      return;
    }
    if (container.ended !== undefined) fault(step, `begins "${path}" after "${container.path}" ended`);
    container.places.set(place, { closed: undefined });
    container.open++;
    const inRange = container.type !== "MAP" || Number(place) < container.total;
    if (!inRange || container.places.size > container.total)
      fault(step, `begins "${path}", and "${container.path}" has ${container.total} places`);
    const most = options.joinOf?.(instanceId, stepIdOf(container.path))?.maxConcurrency;
    if (most !== undefined && container.open > most)
      fault(step, `has ${container.open} items of "${container.path}" under way; ${most} may be`);
  }

  function close(step: CheckedStep): void {
    const around = placeAround(step, step.path);
    if (around === undefined) return;
    const { container, place: name } = around;
    const place = container.places.get(name);
    if (place === undefined) fault(step, `ends a place of "${container.path}" that has not begun`);
    else if (place.closed !== undefined)
      fault(step, `ends place ${name} of "${container.path}", which ended in row ${place.closed.seq}`);
    else {
      place.closed = step;
      container.open--;
    }
  }

  function end(step: CheckedStep, container: Container): void {
    container.ended = step;
    if (step.outcome?.left === true) {
      for (const [name, place] of container.places) if (place.closed === undefined) markLeft(container, name);
    } else {
      for (const path of open) {
        if (isWithin(path, step.path) && !isLeft(path)) fault(step, `ends "${step.path}" before "${path}" has ended`);
      }
    }
    if (step.status !== "COMPLETED") return;
    const own = [...container.places.values()];
    const completed = own.filter((place) => place.closed !== undefined && !fails(place)).length;
    const all = completed + [...container.before.keys()].filter((name) => !container.places.has(name)).length;
    if (container.type === "PARALLEL") {
      const need = options.joinOf?.(instanceId, stepIdOf(step.path))?.need;
      if (need !== undefined && all < need)
        fault(step, `joins "${step.path}" with ${all} completed branches; it needs ${need}`);
    } else {
      const failed = own.filter(fails).length;
      if (all + failed < container.total || container.open > 0)
        fault(step, `joins "${step.path}": ${all} completed and ${failed} failed of ${container.total} items`);
    }
    checkOutput(step, container);
  }

  /** Frames that go on after their container did. */
  let left = new Set<string>();
  const markLeft = (container: Container, place: string) => left.add(`${container.path}/${place}`);
  const isLeft = (path: string) => [...left].some((frame) => isWithin(path, frame));

  function checkOutput(step: CheckedStep, container: Container): void {
    const fresh = container.type === "MAP" ? container.places.size === container.total : container.before.size === 0;
    // A restart may have put other outputs in the place of what was.
    const given = step.epoch === 0 ? undefined : comparable(step.output);
    if (!fresh || given === undefined) return;
    const outputs = [...container.places].flatMap(([name, place]) =>
      place.closed === undefined || fails(place) ? [] : [[name, place.closed.output ?? null] as const],
    );
    const expected =
      container.type === "MAP"
        ? Array.from({ length: container.total }, () => null as unknown)
        : Object.fromEntries(outputs);
    if (Array.isArray(expected)) for (const [name, output] of outputs) expected[Number(name)] = output;
    const text = comparable(expected);
    if (text !== undefined && text !== given) fault(step, `joins "${step.path}" to ${given}, not to ${text}`);
  }

  for (const [index, step] of steps.entries()) {
    const { path, outcome } = step;
    const around = placeAround(step, path);
    if (around !== undefined) {
      const { container, place } = around;
      const { closed } = container.places.get(place) ?? {};
      if (closed !== undefined) fault(step, `goes on with "${path}" after row ${closed.seq} ended its place`);
      if (container.ended !== undefined && !isLeft(path))
        fault(step, `goes on with "${path}" after row ${container.ended.seq} ended "${container.path}"`);
    }
    if (goesOn(step)) open.add(path);
    else open.delete(path);
    if (step.status === "RUNNING" && outcome?.total !== undefined) begin(step, outcome.total);
    else if (outcome?.closed === true) close(step);
    const container = containers.get(path);
    if (container !== undefined && !goesOn(step)) end(step, container);
    for (const next of outcome?.next ?? []) {
      enter(step, next);
      open.add(next);
    }
    if (step.epoch === 0 && steps[index + 1]?.epoch !== 0) {
      // What was under way where a restart comes from stays there.
      containers = new Map();
      visits = new Map();
      left = new Set();
      open = new Set();
    }
  }
}
