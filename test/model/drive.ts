/** The machine of the engine in the oracle's world: every fact at its instant, with deaths and hand-overs in between. */

import type { Definition, Json } from "../../src/engine/index.ts";
import type { JournalEntry } from "../../src/engine/machine/state.ts";
import { errorInfo, Single } from "../../src/engine/simulation/single.ts";
import type { History, Row } from "./history.ts";
import { createMail } from "./mail.ts";
import { childId, type Oracle, refused, type Told } from "./oracle.ts";

interface Happening {
  atMs: number;
  act(): void;
}

/** What befalls the owner: its instant, and which of `upset`'s kinds. */
export type Upset = readonly [atMs: number, kind: number];

function upset(single: Single, kind: number): void {
  if (kind === 0) single.crash();
  else if (kind === 1) single.handOver();
  else if (kind === 2) single.freeze();
  else
    for (const { path, runner } of Object.values(single.state.live))
      if (runner !== undefined) single.give({ kind: "abandoned", path });
}
export function drive(definition: Definition, input: Json, oracle: Oracle, upsets: readonly Upset[] = []): History {
  const single = new Single({ steps: definition.steps, definition, input, startedAt: 0 });
  /** When the world answers to an attempt: that does not change when its node dies. */
  const told = new Map<string, number>();
  /** Children that have not ended, by their ids. */
  const children = new Map<string, { path: string; told: Told; atMs: number }>();
  /** Timers whose facts have been given; their rows may stay. */
  const fired = new Map<string, number>();
  const mail = createMail(single);
  const arranged: Happening[] = [
    ...oracle.signals.map(({ type, payload }, i) => ({
      atMs: oracle.signals.slice(0, i + 1).reduce((sum, { afterMs }) => sum + afterMs, 0),
      act: () => void single.signal(type, payload, { signalId: `s${i}` }),
    })),
    ...oracle.events.map(({ type, payload }, i) => ({
      atMs: oracle.events.slice(0, i + 1).reduce((sum, { afterMs }) => sum + afterMs, 0),
      act: () => mail.route({ id: `e${i}`, type, payload, acceptedAt: single.now }),
    })),
    { atMs: oracle.cancel.afterMs, act: () => void single.cancel({ compensate: oracle.cancel.compensate }) },
    ...upsets.map(([atMs, kind]) => ({
      atMs,
      act() {
        // Whoever takes over looks at all timers anew.
        fired.clear();
        upset(single, kind);
      },
    })),
  ].sort((a, b) => a.atMs - b.atMs);

  function answerAt(what: string, afterMs: number): number {
    const key = what;
    const known = told.get(key) ?? single.now + afterMs;
    told.set(key, known);
    return Math.max(known, single.now);
  }

  /** What may come next: the answers to what was asked for, the timers, what the world does by itself. */
  function next(): Happening | undefined {
    let first: Happening | undefined = arranged[0];
    const offer = (atMs: number, act: () => void) => {
      if (first === undefined || atMs < first.atMs) first = { atMs, act };
    };
    for (const run of single.tasks.values()) {
      const { path, attempt, kind } = run;
      if (kind === "gather") offer(single.now, () => void single.gather(path));
      else {
        const answer = kind === "child" ? oracle.child(path, attempt) : oracle.task(path, attempt);
        if (kind === "child" && !("error" in answer && answer.error.code === refused)) {
          offer(single.now, () => beget(path, attempt, answer));
          continue;
        }
        const atMs = answerAt(`${path} ${attempt}`, answer.afterMs);
        offer(atMs, () => {
          if ("error" in answer) single.fail(path, answer.error);
          else single.complete(path, answer.output);
        });
      }
    }
    for (const [id, child] of children)
      offer(child.atMs, () => {
        children.delete(id);
        single.give({ kind: "child_ended", path: child.path, childId: id, ...endOf(child.told, single.now) });
      });
    for (const [key, dueAt] of single.timers)
      if (fired.get(key) !== dueAt)
        offer(Math.max(dueAt, single.now), () => {
          fired.set(key, dueAt);
          single.give({ kind: "timer", key, dueAt });
        });
    if (mail.isLookingBack()) offer(single.now, mail.lookBack);
    return first;
  }

  function beget(path: string, attempt: number, answer: Told): void {
    const id = childId(path, attempt);
    const wasLive = single.state.live[path] !== undefined;
    single.spawn(path, id);
    if (wasLive && single.state.live[path]?.childId === id)
      children.set(id, { path, told: answer, atMs: single.now + answer.afterMs });
  }

  single.start();
  for (let turns = 0; single.state.completedAt === undefined; turns++) {
    if (turns > 10_000) throw new Error("it does not end");
    if (single.unfinished) {
      single.give({ kind: "continued" });
      continue;
    }
    const happening = next();
    if (happening === undefined) throw new Error("nothing can happen any more");
    if (happening === arranged[0]) arranged.shift();
    single.now = Math.max(single.now, happening.atMs);
    happening.act();
  }
  const { status, error, output, variables, completedAt } = single.state;
  return {
    status: status as History["status"],
    ...(status === "FAILED" ? { code: error!.code } : {}),
    ...(status === "COMPLETED" ? { output: output ?? null } : {}),
    variables,
    rows: single.rows.flatMap((row) => rowOf(row, single)),
    atMs: completedAt ?? -1,
  };
}

function endOf(told: Told, now: number) {
  if (!("error" in told)) return { status: "COMPLETED" as const, output: told.output };
  if (told.error.code === "CHILD_CANCELLED") return { status: "CANCELLED" as const };
  return { status: "FAILED" as const, error: errorInfo(told.error, now) };
}

function rowOf(row: JournalEntry, { program, published }: Single): Row[] {
  const { path, attempt, status, type } = row;
  const event = published.find(({ id }) => id === (row.output as { id?: Json } | null)?.id);
  const asked = (type === "TASK" && program.steps.get(row.stepId)?.transform === undefined) || type === "WORKFLOW";
  if (status !== "COMPLETED" && status !== "FAILED" && status !== "CANCELLED") return [];
  return [
    {
      path,
      attempt,
      status,
      ...(asked ? { input: row.input ?? null } : {}),
      ...(status === "FAILED" ? { code: row.error?.code ?? "none" } : {}),
      ...(status === "COMPLETED" ? { output: row.output ?? null } : {}),
      ...(event === undefined ? {} : { published: { pattern: event.pattern, payload: event.payload } }),
      atMs: row.completedAt ?? -1,
    },
  ];
}
