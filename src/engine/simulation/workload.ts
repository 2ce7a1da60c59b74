/** What the simulated world runs: versions of the shapes, and handlers with outcomes and durations at random. */

import type { JoinRule } from "../checker.ts";
import { engineErrors } from "../errors.ts";
import { compile } from "../machine/compile.ts";
import type { Definition, Json, Step } from "../machine/definition.ts";
import type { Program } from "../machine/program.ts";
import { keptOutputs } from "../machine/state.ts";
import { TaskError, type TaskHandler } from "../task.ts";
import { eventShapes } from "./event_shapes.ts";
import type { Random } from "./random.ts";
import { shapes as commonShapes, type Shape } from "./shapes.ts";
import type { Process } from "./time.ts";

/** Its worlds take longer than all others, so it is drawn now and then only. */
const rareId = "many";
const shapes: Readonly<Record<string, Shape>> = { ...commonShapes, ...eventShapes };
const names = Object.keys(shapes);
const common = Object.keys(commonShapes).filter((workflowId) => workflowId !== rareId);
const waiting = Object.keys(eventShapes);

/** `eventful`: for the most part one that waits for events. */
export function drawWorkflow(random: Random, eventful = false): string {
  if (eventful && random.chance(0.85)) return random.pick(waiting);
  return random.chance(0.005) ? rareId : random.pick(common);
}

export function drawInput(random: Random, workflowId: string): { [key: string]: Json } {
  const n = random.between(0, 9);
  // One more than are kept in memory.
  return workflowId === rareId ? { n, items: Array.from({ length: keptOutputs + 1 }, (_, item) => item) } : { n };
}

/** Versions of one workflow that a world may see. */
export const versions = 6;

/**
 * Every third version is the first one again, every third has a step more and other limits, and every third lacks the
 * last step: whoever stands there cannot go on with it.
 */
function shapeOf(workflowId: string, version: number): Shape {
  const shape = shapes[workflowId]!;
  if (version % 3 === 2) return longer(shape);
  return version % 3 === 0 ? shorter(shape) : shape;
}

function longer(shape: Shape): Shape {
  const steps = shape.steps.map((step): Step => (step.type === "MAP" ? { ...step, maxConcurrency: 3 } : step));
  const last = steps.pop()!;
  const extra: Step = { stepId: "extra", type: "TASK", taskId: "work" };
  const ends = last.transitions === undefined && last.type !== "TERMINATE";
  return { ...shape, steps: [...steps, ends ? { ...last, transitions: { default: "extra" } } : last, extra] };
}

function shorter(shape: Shape): Shape {
  const gone = shape.steps.at(-1)!.stepId;
  if (shape.steps.length < 2) return shape;
  return { ...shape, steps: shape.steps.slice(0, -1).map((step) => without(step, gone)) };
}

/** The step, which goes nowhere where it went to one that is gone. */
function without(step: Step, gone: string): Step {
  const text = JSON.stringify(step, (key, value: unknown) => {
    if (value === gone && ["default", "timeoutHandlerStepId"].includes(key)) return undefined;
    if (key !== "conditions" || !Array.isArray(value)) return value;
    return value.filter((condition: { nextStep?: string }) => condition.nextStep !== gone);
  });
  return JSON.parse(text) as Step;
}

/** Definition ids are UUIDs, because columns are; these are made from the places in the lists. */
export function definitionIdOf(workflowId: string, version = 1): string {
  const place = names.indexOf(workflowId) * 100 + version;
  return `00000000-0000-7000-8000-${place.toString().padStart(12, "0")}`;
}

const compiled = new Map<string, Program>();

export function programOf(definitionId: string): Program {
  let program = compiled.get(definitionId);
  if (program === undefined) {
    const place = Number(definitionId.slice(-12));
    const [workflowId, version] = [names[Math.floor(place / 100)]!, place % 100];
    const head = { workflowId, name: workflowId, version: `${version}.0.0` };
    const definition: Definition = { ...head, ...shapeOf(workflowId, version) };
    program = compile(definition, { definitionId, namespace: "default" });
    compiled.set(definitionId, program);
  }
  return program;
}

/** Whether the engine itself gives the result of a step; ids of such steps are no other's. */
export function isTransform(stepId: string): boolean {
  transforms ??= new Set(
    names.flatMap((workflowId) =>
      [...programOf(definitionIdOf(workflowId)).steps.values()].flatMap((step) =>
        step.transform ? [step.stepId] : [],
      ),
    ),
  );
  return transforms.has(stepId);
}

let transforms: ReadonlySet<string> | undefined;

/** What the checker is told of a PARALLEL or MAP: an instance may have had any version. */
export function joinOf(workflowId: string, stepId: string): JoinRule | undefined {
  const joins = [1, 2, 3].map((version) => programOf(definitionIdOf(workflowId, version)).steps.get(stepId)?.join);
  const known = joins.filter((join) => join !== undefined);
  if (known.length === 0) return undefined;
  const rule: JoinRule = {};
  for (const join of known) {
    if (join.kind === "branches") rule.need = Math.min(rule.need ?? join.need, join.need);
    else rule.maxConcurrency = Math.max(rule.maxConcurrency ?? 0, join.maxConcurrency);
  }
  return rule;
}

/** Who shares a limit with whom. The shapes' limits are the same in all versions, and their keys ask for the input only. */
export function limitsOf(workflowId: string, input: Json): { key: string; limit: number }[] {
  return programOf(definitionIdOf(workflowId)).limits.map(({ limit, key }, index) => ({
    key: `${workflowId}/${index}/${key === undefined ? "" : JSON.stringify(key.evaluate({ input }))}`,
    limit,
  }));
}

/** A child of the workflow `leaf` takes all numbers but one. */
export async function checkInput(definitionId: string, input: Json): Promise<void> {
  const { n } = input as { n?: Json };
  if (programOf(definitionId).workflowId === "leaf" && n === 9) throw engineErrors.unstorable("n must not be 9");
}

/** One call of a handler. */
export interface Call {
  instanceId: string;
  path: string;
  attempt: number;
  nodeId: string;
  at: number;
}

const large = "x".repeat(70_000);

/** What a handler writes to the execution log when it is called. */
export const lineOf = (path: string, attempt: number): string => `${path} (${attempt})`;

export interface HandlerOptions {
  process: Process;
  random: Random;
  nodeId: string;
  now(): number;
  /** Hears of every call before it does anything. */
  called(call: Call, signal: AbortSignal): void;
  /** Hears what a call comes to; without an output it failed. */
  ended(call: Call, output?: Json): void;
  /** Whether the node may die of a handler. */
  deadly(): boolean;
  die(): void;
}

/** A handler that takes so long, unless that is nothing, and then gives or throws what `outcome` does. */
export function createHandler(options: HandlerOptions, durationMs: () => number, outcome: () => Json): TaskHandler {
  const { process, random } = options;
  return (_input, ctx) => {
    const path = ctx.idempotencyKey.slice(ctx.instanceId.length + 1);
    const { instanceId, attempt } = ctx;
    const call: Call = { instanceId, path, attempt, nodeId: options.nodeId, at: options.now() };
    options.called(call, ctx.signal);
    ctx.log.info(lineOf(path, ctx.attempt));
    if (options.deadly() && random.chance(0.01)) {
      options.die();
      return new Promise<never>(() => {});
    }
    const end = (): Json => {
      try {
        const output = outcome();
        options.ended(call, output);
        return output;
      } catch (error) {
        options.ended(call);
        throw error;
      }
    };
    const takesMs = durationMs();
    if (takesMs === 0) return end();
    return new Promise<Json>((resolve, reject) => {
      process.after(takesMs, () => {
        try {
          resolve(end());
        } catch (error) {
          reject(error);
        }
      });
    });
  };
}

/** Whether it is of the shapes that wait for events. */
export const isEventful = (workflowId: string): boolean => Object.hasOwn(eventShapes, workflowId);

/** The handlers of one node. */
export function createHandlers(options: HandlerOptions): Map<string, TaskHandler> {
  const { random } = options;
  const handler = (durationMs: () => number, outcome: () => Json) =>
    createHandler(options, () => (random.chance(0.3) ? 0 : durationMs()), outcome);

  const fails = (share: number) => (): Json => {
    if (!random.chance(share)) return { n: random.between(0, 9) };
    const category = random.pick(["TRANSIENT", "BUSINESS", "UNKNOWN"] as const);
    throw new TaskError({ code: "E", category, message: "it broke" });
  };
  const short = () => random.between(1, 300);
  return new Map<string, TaskHandler>([
    ["work", handler(() => (random.chance(0.1) ? random.between(500, 2_500) : short()), fails(0.1))],
    ["shaky", handler(short, fails(0.3))],
    ["flaky", handler(short, fails(0.7))],
    ["slow", handler(() => random.between(500, 7_000), fails(0.1))],
    ["rare", handler(short, fails(0))],
    ["scarce", handler(short, fails(0))],
    ["large", handler(short, () => (random.chance(0.2) ? { text: "a\u0000b" } : { text: large }))],
  ]);
}
