/**
 * Events: how fast they are taken in, routed, and have led to what they lead to.
 *
 * Once with triggers, among 1, 100 and 10,000 of which each event fits one, which starts a workflow of one step; once with
 * many waiting instances, of which each event resumes one. Beside both, the limit program writes the same rows. Then one
 * event after the other: from the call that publishes to the call of the step after the wait.
 */
import { type Bench, type Workload, warmUp } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import { runEventLimit, type Specimen } from "./support/event_limit.ts";
import { type EventRig, openTriggerRig, openWaitRig } from "./support/event_rig.ts";
import { collectGarbage } from "./support/heap.ts";
import type { Line } from "./support/lines.ts";
import type { BenchDatabase } from "./support/server.ts";
import { percentile } from "./support/statistics.ts";

/** Of the limit's speed. */
const leastOfLimit = 1 / 3;
/** Among many triggers an event may cost so much more. */
const slack = 0.25;
const mostCommitTimes = 4;
const specimenCount = 64;

const orders = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n);

let rounds = 0;
let waiting: { database: BenchDatabase; rig: Awaited<ReturnType<typeof openWaitRig>>; next: number } | undefined;

export const events: Workload = {
  name: "events",
  needs: ["limit"],
  async prepare({ server, sizes, say }) {
    const database = await server.createDatabase();
    const rig = await openWaitRig(database);
    const count = sizes.eventWaits + warmUp + sizes.rounds * (sizes.events + sizes.oneAtATime + specimenCount);
    say(`letting ${count.toLocaleString("en")} instances wait for events`);
    await rig.addWaiters(orders(0, count));
    await rig.publishAll(orders(0, warmUp));
    waiting = { database, rig, next: warmUp };
  },
  async round(bench) {
    // Each goes first every other time.
    const { triggers } = bench.sizes;
    for (const count of rounds++ % 2 === 0 ? triggers : triggers.toReversed()) await measureTriggers(bench, count);
    await measureWaits(bench);
  },
  async report(bench) {
    return [
      ...bench.sizes.triggers.map((count) => triggersLine(bench, count)),
      ...manyLines(bench),
      ...waitLines(bench),
    ];
  },
  async close() {
    await waiting?.rig.stop();
    await waiting?.database.drop();
  },
};

const perSecond = (triggers: number) => `events.routed_per_s_${triggers}`;
const limitOf = (what: string) => `events.limit_per_s_${what}`;

async function measureTriggers(bench: Bench, triggers: number): Promise<void> {
  const { server, sizes, samples } = bench;
  const database = await server.createDatabase();
  const rig = await openTriggerRig(database, triggers);
  await rig.publishAll(orders(0, warmUp));
  await atOnce(bench, { name: perSecond(triggers), database, rig, first: warmUp });
  const isLast = triggers === sizes.triggers.at(-1);
  const alone = orders(0, sizes.oneAtATime);
  const { result, cost } = await counted({ server, database }, () => rig.publishEach(alone));
  samples.add(`events.start_p50_ms_${triggers}`, percentile(result, 0.5), perWorkflow(cost, alone.length));
  const specimens = isLast ? await rig.specimens(orders(0, specimenCount)) : [];
  await rig.stop();
  await database.drop();
  if (isLast) await runLimit(bench, "triggers", specimens);
}

async function measureWaits(bench: Bench): Promise<void> {
  const { server, sizes, samples } = bench;
  const { database, rig } = waiting!;
  const take = (count: number) => {
    const from = waiting!.next;
    waiting!.next += count;
    return orders(from, count);
  };
  await atOnce(bench, { name: "events.resumed_per_s", database, rig, first: take(sizes.events)[0]! });
  const alone = take(sizes.oneAtATime);
  collectGarbage();
  const { result, cost } = await counted({ server, database }, () => rig.publishEach(alone));
  samples.add("events.resume_p50_ms", percentile(result, 0.5), perWorkflow(cost, alone.length));
  samples.add("events.resume_p99_ms", percentile(result, 0.99));
  // Those that wait for them are written while somebody listens.
  const specimens = await rig.specimens(
    orders(-specimenCount * (samples.all()["events.resume_p50_ms"]!.length + 1), specimenCount),
    (order) => rig.addWaiters([order]),
  );
  await runLimit(bench, "waits", specimens);
}

/** Publishes at once as many as the sizes say. */
async function atOnce(
  { server, sizes, samples }: Bench,
  what: { name: string; database: BenchDatabase; rig: EventRig; first: number },
): Promise<void> {
  const { name, database, rig, first } = what;
  collectGarbage();
  const { result: seconds, cost } = await counted({ server, database }, () =>
    rig.publishAll(orders(first, sizes.events)),
  );
  samples.add(name, sizes.events / seconds, perWorkflow(cost, sizes.events));
}

async function runLimit(
  { server, sizes, samples }: Bench,
  what: string,
  specimens: readonly Specimen[],
): Promise<void> {
  const database = await server.createDatabase();
  collectGarbage();
  samples.add(limitOf(what), sizes.events / (await runEventLimit(database, { specimens, count: sizes.events })));
  await database.drop();
}

function againstLimit({ samples }: Bench, what: { of: string; to: string; name: string }): Line {
  return {
    workload: "events",
    name: what.name,
    value: samples.median(what.of),
    unit: "1/s",
    limit: samples.median(what.to),
    ratio: samples.medianRatio({ of: what.of, to: what.to }),
    target: { atLeast: leastOfLimit },
    cost: samples.medianCost(what.of),
  };
}

function triggersLine(bench: Bench, count: number): Line {
  return againstLimit(bench, { of: perSecond(count), to: limitOf("triggers"), name: `routed_per_s_${count}_triggers` });
}

/** Whether it matters how many triggers there are. */
function manyLines({ samples, sizes }: Bench): Line[] {
  const [few, ...more] = sizes.triggers;
  return more.map((count) => ({
    workload: "events",
    name: `routed_per_s_${count}_triggers_to_${few}`,
    value: samples.median(perSecond(count)),
    unit: "1/s",
    limit: samples.median(perSecond(few!)),
    ratio: samples.medianRatio({ of: perSecond(count), to: perSecond(few!) }),
    target: { atLeast: 1 - slack },
  }));
}

function waitLines(bench: Bench): Line[] {
  const { samples, sizes } = bench;
  const name = `events.start_p50_ms_${sizes.triggers.at(-1)}`;
  return [
    againstLimit(bench, { of: "events.resumed_per_s", to: limitOf("waits"), name: "resumed_per_s" }),
    {
      workload: "events",
      name: "resume_p50_ms",
      value: samples.median("events.resume_p50_ms"),
      unit: "ms",
      limit: samples.median("limit.commit_p50_ms"),
      ratio: samples.medianRatio({ of: "events.resume_p50_ms", to: "limit.commit_p50_ms" }),
      target: { atMost: mostCommitTimes },
      cost: samples.medianCost("events.resume_p50_ms"),
    },
    { workload: "events", name: "resume_p99_ms", value: samples.median("events.resume_p99_ms"), unit: "ms" },
    {
      workload: "events",
      name: "start_p50_ms",
      value: samples.median(name),
      unit: "ms",
      limit: samples.median("limit.commit_p50_ms"),
      ratio: samples.medianRatio({ of: name, to: "limit.commit_p50_ms" }),
      cost: samples.medianCost(name),
    },
  ];
}
