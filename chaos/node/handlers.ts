/** The handlers of a chaos node. What they give depends on their input alone; when and how often they ran is in the diary. */

import { setTimeout as sleep } from "node:timers/promises";
import { TaskError, type TaskHandler } from "../../src/engine/index.ts";
import type { Diary } from "./diary.ts";

interface Work {
  value: number;
  /** How long it takes. */
  ms: number;
  /** How many attempts fail before one succeeds. */
  failures?: number;
  /** Refuses for good, with this code. */
  refuse?: string;
  /** Refuses the first so many visits of the step: who comes again finds it mended. */
  refuseVisits?: number;
  /** Length of a text in the output. */
  paddingChars?: number;
}

export function createHandlers(diary: Diary, node: () => { nodeId: string }): ReadonlyMap<string, TaskHandler> {
  const work: TaskHandler = async (input, ctx) => {
    const { value, ms, failures = 0, refuse, refuseVisits = 0, paddingChars = 0 } = input as Work;
    const { instanceId, attempt } = ctx;
    const path = ctx.idempotencyKey.slice(instanceId.length + 1);
    const run = { ...node(), instanceId, path, attempt };
    diary.note({ kind: "begin", ...run, at: Date.now() });
    if (ms > 0) await sleep(ms, undefined, { signal: ctx.signal });
    diary.note({ kind: "end", ...run, at: Date.now() });
    if (refuse !== undefined) throw new TaskError({ code: refuse, category: "BUSINESS", message: "refused" });
    if (visitsOf(path) <= refuseVisits)
      throw new TaskError({ code: "NOT_YET", category: "BUSINESS", message: "refused this time" });
    if (attempt <= failures)
      throw new TaskError({ code: "FLAKY", category: "TRANSIENT", message: `attempt ${attempt} fails` });
    return { value: value + 1, ...(paddingChars === 0 ? {} : { padding: "y".repeat(paddingChars) }) };
  };
  return new Map([["work", work]]);
}

/** How often the step or anything around it was begun. */
function visitsOf(path: string): number {
  return Math.max(...path.split("/").map((part) => Number(part.split("#")[1] ?? 1)));
}
