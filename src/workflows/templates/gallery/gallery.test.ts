import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openWorkshop, type Workshop } from "../../../../test/support/workshop.ts";
import { isVersion } from "../../../foundation/semantic_version.ts";
import { TaskError } from "../../../tasks/index.ts";
import { isRecord } from "../../validate/pointer.ts";
import { checkTemplate } from "../check.ts";
import { mayBeAbsent, parametersOf } from "../parameters.ts";
import type { Builtin } from "./builtin.ts";
import { gallery } from "./gallery.ts";

describe.each([...gallery.values()])("the template $name", (builtin) => {
  test("has neither a fault nor a doubt, with its defaults and examples", () => {
    expect(checkTemplate(builtin)).toEqual({ errors: [], warnings: [] });
  });

  test("says what it is for, and what each parameter means", () => {
    const { name, version, description, parameters } = builtin;
    expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(isVersion(version)).toBe(true);
    expect(description.length).toBeGreaterThan(100);
    expect(undescribed(parameters)).toEqual([]);
  });
});

/** Parameters, and members of their items, without a description. */
function undescribed(schema: Builtin["parameters"]): string[] {
  return Object.entries(parametersOf(schema)).flatMap(([name, own]) => {
    if (!isRecord(own)) return [name];
    const items = isRecord(own.items) && isRecord(own.items.properties) ? undescribed(own.items as typeof schema) : [];
    return typeof own.description === "string" && own.description !== "" ? items : [name, ...items];
  });
}

test("a parameter of the gallery has a default, unless only its user can know it", () => {
  const needed = [...gallery.values()].map(({ name, parameters }) => {
    const names = Object.keys(parametersOf(parameters)).filter((one) => !mayBeAbsent(parameters, one));
    const withoutDefault = names.filter((one) => {
      const own = parametersOf(parameters)[one];
      return !(isRecord(own) && own.default !== undefined);
    });
    return [name, withoutDefault.join(" ")];
  });
  expect(Object.fromEntries(needed)).toEqual({
    "approval-by-signal": "",
    "batch-over-list": "task",
    "call-with-deadline": "task",
    "child-per-item": "childWorkflowId",
    "fan-out-and-join": "branches",
    "poll-until": "",
    "retry-with-fallback": "task fallbackTask",
    saga: "actions",
    "scheduled-reminder": "",
    "webhook-relay": "url",
    "scheduled-report": "sources",
  });
});

describe("running", () => {
  let workshop: Workshop;
  /** What handlers were given, in order. */
  const calls: { task: string; input: unknown }[] = [];

  beforeAll(async () => {
    const note = (task: string, answer: (input: unknown) => unknown) => (input: unknown) => {
      calls.push({ task, input });
      return answer(input);
    };
    let jobs = 0;
    workshop = await openWorkshop({
      tell: note("tell", (input) => input),
      job: note("job", () => ({ status: ++jobs < 3 ? "working" : "done", polls: jobs })),
      never: note("never", () => ({ status: "working" })),
      reserve: note("reserve", () => ({ reservation: 7 })),
      charge: note("charge", (input) => {
        if ((input as { declined?: boolean }).declined !== true) return { receipt: 9 };
        throw new TaskError({ code: "CARD_DECLINED", category: "BUSINESS", message: "No" });
      }),
      ship: note("ship", (input) => input),
      "release/it": note("release/it", () => null),
    });
  });
  afterAll(() => workshop?.stop());

  function callsOf(...tasks: string[]) {
    return calls.filter(({ task }) => tasks.includes(task));
  }

  describe("approval-by-signal", () => {
    const parameters = {
      signal: "leave.decided",
      askTask: "tell",
      askInput: "{'ask': input.who, 'instance': instance.id}",
      tellTask: "tell",
      tellInput: "{'told': variables.outcome}",
    };

    test.each([
      [{ approved: true, by: "Grace" }, "approved"],
      [{ approved: false, comment: "Not now" }, "rejected"],
      [{ approved: "true" }, "rejected"],
    ])("with the signal %j ends %s", async (decision, outcome) => {
      const workflowId = await workshop.use("approval-by-signal", parameters);
      const id = await workshop.start(workflowId, { who: outcome });
      await workshop.waiting(id);
      // No decision, and not the signal that is waited for.
      await workshop.signal(id, "leave.decided", { seen: true });
      await workshop.signal(id, "leave.asked", { approved: true });
      await workshop.signal(id, "leave.decided", decision);
      const { status, output } = await workshop.ended(id);
      expect({ status, output }).toEqual({ status: "COMPLETED", output: { outcome, decision } });
      expect(callsOf("tell").slice(-2)).toEqual([
        { task: "tell", input: { ask: outcome, instance: id } },
        { task: "tell", input: { told: outcome } },
      ]);
    });

    test("without a signal in time ends timed-out; its defaults need no other task", async () => {
      const workflowId = await workshop.use("approval-by-signal", { timeout: "PT0.05S" });
      const { status, output } = await workshop.run(workflowId);
      expect({ status, output }).toEqual({ status: "COMPLETED", output: { outcome: "timed-out", decision: null } });
    });
  });

  describe("saga", () => {
    const actions = [
      { name: "reserve", task: "reserve", undo: "release/it", undoInput: "originalOutput" },
      { name: "charge-card", task: "charge" },
      { name: "ship", task: "ship", input: "{'receipt': steps['charge-card'].output.receipt}", undo: "release/it" },
    ];

    test("runs its actions in order, each reading what came before", async () => {
      const workflowId = await workshop.use("saga", { actions });
      const { status, output } = await workshop.run(workflowId, { order: 1 });
      expect(status).toBe("COMPLETED");
      expect(output).toEqual([
        { action: "reserve", output: { reservation: 7 } },
        { action: "charge-card", output: { receipt: 9 } },
        { action: "ship", output: { receipt: 9 } },
      ]);
      expect(callsOf("reserve").at(-1)?.input).toEqual({ order: 1 });
    });

    test("undoes what had completed when an action fails for good", async () => {
      const workflowId = await workshop.use("saga", { actions, maxAttempts: 1 });
      const { status, error, compensationState } = await workshop.run(workflowId, { declined: true });
      expect(status).toBe("FAILED");
      expect(error).toMatchObject({ code: "CARD_DECLINED" });
      expect(compensationState).toMatchObject({ status: "COMPLETED", completed: ["undo-reserve"] });
      expect(callsOf("release/it").at(-1)?.input).toEqual({ reservation: 7 });
    });

    test("of one action is one step", async () => {
      const workflowId = await workshop.use("saga", { actions: [{ name: "only", task: "ship" }] });
      expect((await workshop.run(workflowId, 5)).output).toEqual([{ action: "only", output: 5 }]);
    });
  });

  describe("poll-until", () => {
    test("asks again until the answer is there", async () => {
      const workflowId = await workshop.use("poll-until", {
        task: "job",
        taskInput: "{'job': input.job}",
        done: "output.status == 'done'",
        interval: 10,
      });
      const { status, output } = await workshop.run(workflowId, { job: "j-1" });
      expect({ status, output }).toEqual({ status: "COMPLETED", output: { status: "done", polls: 3 } });
      expect(callsOf("job").map(({ input }) => input)).toEqual(Array(3).fill({ job: "j-1" }));
    });

    test("fails when the answer has not come after the last poll", async () => {
      const workflowId = await workshop.use("poll-until", {
        task: "never",
        taskInput: "input",
        done: "output.status == 'done'",
        interval: 1,
        maxPolls: 2,
      });
      const { status, error } = await workshop.run(workflowId);
      expect(status).toBe("FAILED");
      expect(error).toMatchObject({ code: "POLLS_EXHAUSTED", message: expect.stringContaining("2 poll(s)") });
      expect(callsOf("never")).toHaveLength(2);
    });
  });

  describe("scheduled-reminder", () => {
    const parameters = { task: "tell", taskInput: "{'n': variables.reminders, 'who': input.who}", every: 20, times: 2 };

    test("reminds when it is time, and again, until nobody answered often enough", async () => {
      const workflowId = await workshop.use("scheduled-reminder", parameters);
      const remindAt = new Date(Date.now() + 100).toISOString();
      const { status, output, completedAt } = await workshop.run(workflowId, { remindAt, who: "nobody" });
      expect({ status, output }).toEqual({ status: "COMPLETED", output: { outcome: "unanswered", reminders: 2 } });
      expect(Date.parse(completedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(remindAt));
      const told = callsOf("tell").filter(({ input }) => (input as { who?: string }).who === "nobody");
      expect(told.map(({ input }) => (input as { n: number }).n)).toEqual([0, 1]);
    });

    test("reminds no more once the signal has come", async () => {
      const workflowId = await workshop.use("scheduled-reminder", { ...parameters, every: "PT1H" });
      const id = await workshop.start(workflowId, { remindAt: "2020-01-01T00:00:00Z", who: "somebody" });
      await workshop.waiting(id);
      await workshop.signal(id, "reminder.done");
      const { status, output } = await workshop.ended(id);
      expect({ status, output }).toEqual({ status: "COMPLETED", output: { outcome: "done", reminders: 1 } });
    });
  });
});
