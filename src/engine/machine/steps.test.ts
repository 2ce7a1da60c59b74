import { expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import type { Definition, Step } from "./definition.ts";
import { chainLimit } from "./steps.ts";

const task = (stepId: string, more: object = {}): Step => ({ stepId, type: "TASK", taskId: "t", ...more }) as Step;
const decision = (stepId: string, more: object = {}): Step => ({ stepId, type: "DECISION", ...more }) as Step;
const to = (stepId: string) => ({ transitions: { default: stepId } });

function begun(steps: Step[], more: { definition?: Partial<Definition>; input?: object } = {}): Single {
  const single = new Single({ steps, definition: more.definition, input: (more.input ?? {}) as never });
  single.start();
  return single;
}

test("a task is asked for with its input and ends the workflow with its output when nothing follows", () => {
  const single = begun([task("a", { input: { sum: "${input.n + 1}" } })], { input: { n: 1 } });
  expect(single.tasks.get("a")).toMatchObject({
    taskId: "t",
    attempt: 1,
    input: { sum: 2 },
    timeoutMs: 30_000,
    interrupted: 0,
  });
  expect(single.rows).toEqual([]);
  const last = single.complete("a", { ok: true });
  expect(last.ended).toBe("COMPLETED");
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { ok: true }, completedAt: single.now });
  expect(single.rows).toMatchObject([
    { seq: 1, path: "a", status: "COMPLETED", input: { sum: 2 }, output: { ok: true } },
  ]);
  expect(single.transitions).toEqual(["RUNNING>COMPLETED workflow_completed"]);
});

test("a task without input is given the input of the instance", () => {
  expect(begun([task("a")], { input: { n: 1 } }).tasks.get("a")?.input).toEqual({ n: 1 });
});

test("a transform is evaluated by the engine and asks for no handler", () => {
  const single = begun([task("a", { taskId: "transform", input: { expression: "input.n * 2" } })], { input: { n: 4 } });
  expect(single.state.output).toBe(8);
  expect(single.rows).toHaveLength(1);
});

test("an expression that errs in an input, a mapping or a transform fails the step once, with EXPRESSION_ERROR", () => {
  const broken: Step[] = [
    task("a", { input: "input.missing.more" }),
    task("a", { taskId: "transform", input: { expression: "1 + 'x'" } }),
    task("a", { outputMapping: { v: "output.nothing" } }),
  ];
  for (const step of broken) {
    const single = begun([step]);
    if (single.tasks.has("a")) single.complete("a", {});
    expect(single.state).toMatchObject({
      status: "FAILED",
      error: { code: "EXPRESSION_ERROR", category: "VALIDATION", retriable: false },
    });
    expect(single.rows).toHaveLength(1);
  }
});

test("the first condition that holds decides; without one the default; without a default NO_TRANSITION", () => {
  const transitions = {
    conditions: [
      { condition: "input.n > 10", nextStep: "big" },
      { condition: "input.n > 5", nextStep: "middle" },
    ],
  };
  const ends = [task("big"), task("middle"), task("small")];
  const at = (n: number, fallback?: string) =>
    begun([decision("d", { transitions: { ...transitions, default: fallback } }), ...ends], { input: { n } });
  expect([...at(20, "small").tasks.keys()]).toEqual(["big"]);
  expect([...at(7, "small").tasks.keys()]).toEqual(["middle"]);
  expect([...at(1, "small").tasks.keys()]).toEqual(["small"]);
  expect(at(1).state).toMatchObject({ status: "FAILED", error: { code: "NO_TRANSITION" } });
  expect(at(1).rows).toMatchObject([{ path: "d", status: "COMPLETED" }]);
});

test("a condition that errs counts as false and leaves a warning in its row", () => {
  const transitions = { conditions: [{ condition: "input.a.b == 1", nextStep: "x" }], default: "y" };
  const single = begun([decision("d", { transitions }), task("x"), task("y")]);
  expect([...single.tasks.keys()]).toEqual(["y"]);
  expect(single.rows[0]?.outcome).toMatchObject({
    next: ["y"],
    warnings: [expect.stringContaining("counts as false")],
  });
});

test("conditions and mappings see the step's own output and the variables it sets", () => {
  const transitions = {
    conditions: [{ condition: "variables.v == 3 && steps.a.output.n == 3", nextStep: "yes" }],
    default: "no",
  };
  const single = begun([
    task("a", { outputMapping: { v: "output.n", w: "variables.v" }, transitions }),
    task("yes"),
    task("no"),
  ]);
  single.complete("a", { n: 3 });
  expect([...single.tasks.keys()]).toEqual(["yes"]);
  expect({ ...single.state.variables }).toEqual({ v: 3, w: 3 });
});

test("a step that is visited again has a path of its own and starts with its first attempt", () => {
  const again = { transitions: { conditions: [{ condition: "output < 3", nextStep: "a" }], default: "end" } };
  const single = begun([task("a", again), task("end")]);
  single.complete("a", 1);
  single.complete("a#2", 2);
  expect(single.tasks.get("a#3")).toMatchObject({ stepId: "a", attempt: 1 });
  single.complete("a#3", 3);
  single.complete("end");
  expect(single.rows.map((row) => row.path)).toEqual(["a", "a#2", "a#3", "end"]);
});

test("step ids and variables may be names that objects have", () => {
  const names = ["__proto__", "constructor", "toString", "a.b-c"];
  const steps = names.map((name, i) =>
    task(name, {
      outputMapping: JSON.parse(`{"${name}":"output"}`),
      ...(i + 1 < names.length ? to(names[i + 1]!) : {}),
    }),
  );
  const single = begun(steps, { definition: { output: "variables" } });
  for (const [i, name] of names.entries()) {
    single.complete(name, i);
    if (i === 1) single.crash();
  }
  expect(Object.entries(single.state.variables)).toEqual(names.map((name, i) => [name, i]));
  expect(Object.entries(single.state.output as object)).toEqual(names.map((name, i) => [name, i]));
});

test("an output that holds the variables or steps as a whole is a copy: later steps do not change it", () => {
  const single = begun([
    task("a", { taskId: "transform", input: { expression: "{'v': variables, 's': steps}" }, ...to("b") }),
    task("b", { taskId: "transform", input: { expression: "7" }, outputMapping: { x: "output" }, ...to("c") }),
    task("c"),
  ]);
  expect(single.state.steps.a?.output).toEqual({ v: {}, s: {} });
});

test("a delay sleeps until its timer fires, and one that is over already does not sleep", () => {
  const delays: [object, number | undefined][] = [
    [{ delay: "PT5S" }, 5_000],
    [{ delay: 250 }, 250],
    [{ delay: "input.n * 1000" }, 2_000],
    [{ delay: "'PT1M'" }, 60_000],
    [{ until: "2027-01-15T08:00:10Z" }, 10_000],
    [{ until: "input.at" }, 20_000],
    [{ delay: 0 }, undefined],
    [{ until: "2001-01-01T00:00:00Z" }, undefined],
  ];
  for (const [delay, ms] of delays) {
    const single = begun([{ stepId: "d", type: "DELAY", ...delay } as Step], {
      input: { n: 2, at: "2027-01-15T08:00:20Z" },
    });
    expect(single.timers.get("d"), JSON.stringify(delay)).toBe(ms === undefined ? undefined : single.now + ms);
    if (ms !== undefined) single.fire();
    expect(single.state.status).toBe("COMPLETED");
  }
});

test("a delay whose expression gives no duration fails the step", () => {
  for (const delay of ["'soon'", "true", "-5 * 1", "input.missing"]) {
    expect(begun([{ stepId: "d", type: "DELAY", delay }]).state.error).toMatchObject({ code: "EXPRESSION_ERROR" });
  }
});

test("a timer that fires twice, or with another due time, changes nothing", () => {
  const single = begun([{ stepId: "d", type: "DELAY", delay: 500, ...to("a") }, task("a")]);
  expect(single.give({ kind: "timer", key: "d", dueAt: single.now + 499 }).ignored).toBeDefined();
  const dueAt = single.timers.get("d")!;
  single.fire();
  expect(single.give({ kind: "timer", key: "d", dueAt }).ignored).toBeDefined();
  expect(single.give({ kind: "timer", key: "nobody", dueAt }).ignored).toBeDefined();
});

test("the workflow's output is an expression, a template, or what the last step gave", () => {
  const steps = [task("a", to("b")), task("b")];
  const end = (output?: Definition["output"]) => {
    const single = begun(steps, { definition: output === undefined ? {} : { output } });
    single.complete("a", 1);
    single.complete("b", 2);
    return single.state.output;
  };
  expect(end()).toBe(2);
  expect(end("steps.a.output + steps.b.output")).toBe(3);
  expect(end({ both: ["${steps.a.output}", "b=${steps.b.output}"] })).toEqual({ both: [1, "b=2"] });
});

test("an output expression that errs fails the workflow, and what was done is undone", () => {
  const single = begun([task("a")], {
    definition: {
      output: "no.such",
      compensationSteps: [{ stepId: "undo", compensationFor: "a", type: "TASK", taskId: "u" }],
    },
  });
  single.complete("a", 1);
  expect([...single.tasks.keys()]).toEqual(["~/undo"]);
  single.complete("~/undo");
  expect(single.state).toMatchObject({ status: "FAILED", error: { code: "EXPRESSION_ERROR" } });
});

test("a chain of steps without a commit stops at its limit and goes on after one", () => {
  const single = begun([decision("d", to("d"))]);
  expect(single.unfinished).toBe(true);
  expect(single.rows).toHaveLength(chainLimit);
  single.give({ kind: "continued" });
  expect(single.rows).toHaveLength(2 * chainLimit);
  single.crash();
  expect(single.rows).toHaveLength(3 * chainLimit);
  single.cancel();
  expect(single.state.status).toBe("CANCELLED");
});

test("results that come twice, for another attempt or for a step that is over change nothing", () => {
  const single = begun([task("a", to("b")), task("b")]);
  const result = { output: 1, startedAt: single.now, completedAt: single.now };
  expect(single.give({ kind: "completed", path: "a", attempt: 2, ...result }).ignored).toBeDefined();
  expect(single.give({ kind: "completed", path: "b", attempt: 1, ...result }).ignored).toBeDefined();
  single.complete("a", 1);
  expect(single.give({ kind: "completed", path: "a", attempt: 1, ...result }).ignored).toBeDefined();
  single.complete("b", 2);
  expect(single.give({ kind: "completed", path: "b", attempt: 1, ...result }).ignored).toContain("COMPLETED");
  expect(single.rows).toHaveLength(2);
});

test("a step that runs for long is shown once, and its result still ends it", () => {
  const single = begun([task("a")]);
  single.give({ kind: "running", path: "a", attempt: 1 });
  expect(single.give({ kind: "running", path: "a", attempt: 1 }).ignored).toBeDefined();
  single.complete("a", 1);
  expect(single.rows.map((row) => row.status)).toEqual(["RUNNING", "COMPLETED"]);
});

test("a step without a handler is pending until there is one", () => {
  const single = begun([task("a")]);
  single.tasks.clear();
  single.give({ kind: "unassigned", path: "a" });
  expect(single.state.live.a?.phase).toBe("unassigned");
  expect(single.give({ kind: "unassigned", path: "a" }).ignored).toBeDefined();
  expect(single.crash().tasks).toEqual([]);
  expect(single.give({ kind: "assigned", path: "a" }).tasks).toMatchObject([{ path: "a", attempt: 1 }]);
  expect(single.give({ kind: "assigned", path: "a" }).ignored).toBeDefined();
  single.complete("a", 1);
  expect(single.rows.map((row) => row.status)).toEqual(["PENDING", "RUNNING", "COMPLETED"]);
});

test("an accepted instance begins with its START, once, whatever comes before", () => {
  const single = new Single({ steps: [task("a")], definition: { timeout: 5_000 }, created: true });
  single.signal("early");
  single.crash();
  single.give({ kind: "continued" });
  expect([single.state.status, single.tasks.size, single.timers.size]).toEqual(["CREATED", 0, 0]);
  single.give({ kind: "started", born: true });
  expect(single.give({ kind: "started", born: true }).ignored).toBeDefined();
  expect([single.state.status, single.tasks.size, single.timers.size]).toEqual(["RUNNING", 1, 1]);
  expect(single.state.mailbox).toHaveLength(1);
});

test("an accepted instance that is cancelled before its START never begins", () => {
  const single = new Single({ steps: [task("a")], created: true });
  single.cancel();
  expect(single.give({ kind: "started", born: true }).ignored).toBeDefined();
  expect(single.transitions).toEqual(["CREATED>CANCELLED workflow_cancelled"]);
});
