import { describe, expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import type { Step } from "./definition.ts";

const task = (stepId: string, next?: string, more: object = {}): Step =>
  ({ stepId, type: "TASK", taskId: "t", transitions: { default: next }, ...more }) as Step;

function begun(steps: Step[]): Single {
  const single = new Single({ steps });
  single.start();
  return single;
}

describe("an instance that is resumed", () => {
  test("leaves a second attempt at work, whose retry timer is still in its row", () => {
    const single = begun([task("a", "b"), task("b")]);
    single.fail("a");
    single.fire();
    single.give({ kind: "pause" });
    single.give({ kind: "resume" });
    expect(single.statusOf("a")).toBe("FAILED");
    single.complete("a", 7);
    expect(single.rows.at(-1)).toMatchObject({ path: "a", attempt: 2, status: "COMPLETED", output: 7 });
  });

  test("fires the timers that came due meanwhile, and begins what followed", () => {
    const single = begun([
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          {
            branchId: "d",
            steps: [{ stepId: "d", type: "DELAY", delay: 500, transitions: { default: "x" } }, task("x")],
          },
          { branchId: "t", steps: [task("t", "y"), task("y")] },
        ],
      },
    ]);
    single.give({ kind: "pause" });
    single.complete("fan/t/t");
    expect(single.fire("fan/d/d").ignored).toMatch(/paused/);
    expect([...single.tasks.keys()]).toEqual([]);
    single.give({ kind: "resume" });
    expect([...single.tasks.keys()].sort()).toEqual(["fan/d/x", "fan/t/y"]);
  });
});
