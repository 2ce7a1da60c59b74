import { describe, expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import type { Definition, Step } from "./definition.ts";

const task: Step = { stepId: "a", type: "TASK", taskId: "t", retryPolicy: { maxAttempts: 1 } };

/** An instance that failed, as whoever is asked to try it again reads it from its rows. */
function failed(definition: Partial<Definition>, begin: (single: Single) => void = () => {}): Single {
  const single = new Single({ steps: [task], definition });
  single.start();
  begin(single);
  single.fail("a");
  expect(single.state.status).toBe("FAILED");
  single.state = single.folded();
  return single;
}

describe("a failed instance that is read from its rows and tried again", () => {
  test("asks for its permits again, which it gave back at its end", () => {
    const permit = (single: Single) => single.give({ kind: "permitted", key: "default/w/0/" });
    const single = failed({ concurrency: [{ limit: 1 }] }, permit);
    single.messages.length = 0;
    expect(single.give({ kind: "retry" }).ignored).toBeUndefined();
    expect(single.state.status).toBe("CREATED");
    expect(single.messages).toMatchObject([{ kind: "PERMIT_ASK", to: "default/w/0/" }]);
    permit(single);
    single.complete("a#2");
    expect(single.state.status).toBe("COMPLETED");
  });

  test("has all of its time from then on", () => {
    const single = failed({ timeout: 5_000 });
    single.now += 60_000;
    single.give({ kind: "retry" });
    expect(single.timers.get("")).toBe(single.now + 5_000);
  });

  test("has lost the signals that nobody had taken when it ended", () => {
    const single = failed({}, (running) => running.signal("late"));
    single.give({ kind: "retry" });
    expect(single.state.mailbox).toEqual([]);
  });
});
