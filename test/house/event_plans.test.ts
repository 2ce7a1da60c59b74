/**
 * How PostgreSQL runs what is asked of events: by which index, and how many pages it reads. In tables that were analyzed while
 * they were empty, and in tables with 200,000 events; with the plan of a first call and with that of a prepared statement.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as definitions from "../../src/events/definitions/queries.ts";
import * as intake from "../../src/events/intake/queries.ts";
import * as settings from "../../src/events/settings/queries.ts";
import * as views from "../../src/events/views/queries.ts";
import type { Connection, Statement } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { openTestDatabase } from "../support/database.ts";
import { bigNamespace } from "../support/many_instances.ts";
import { type EventSample, insertManyEvents } from "../support/many_listed_events.ts";
import { type Explainer, openExplainer, type Plan } from "../support/plans.ts";
import { type Case, daysAgo } from "./plan_cases.ts";
import { assembled } from "./plan_lists.ts";

/** What is asked for in the empty tables too. */
let sample: EventSample = { n: 1_000, shard: 1, id: uuidv7(Date.now()) };

type Given = Omit<Case, "name" | "text" | "values">;
interface EventCase extends Given {
  name: string;
  sent(): { text: string; values: readonly unknown[] };
}

const of = (statement: Statement, given: Given & { values(): readonly unknown[] }): EventCase => ({
  ...given,
  name: statement.name,
  sent: () => ({ text: statement.text, values: given.values() }),
});

const listed = (name: string, given: Given & { filter(): Partial<views.ListFilter> }): EventCase => ({
  ...given,
  name: `a list ${name}`,
  sent: () => assembled((db) => views.listEventRows(db, { namespace: bigNamespace, limit: 51, ...given.filter() })),
});

const key = "event_instances_pkey";
const byTime = "event_instances_namespace_idx";
const byName = "event_instances_pattern_idx";
const byEventId = "event_instances_event_id_idx";
const byCorrelation = "event_instances_correlation_idx";
const byCausation = "event_instances_causation_idx";
const bySource = "event_instances_source_idx";
const name = "orders.n7.paid";

/** Of a page of 51: a look at each partition, then the rows of the index and the rows themselves. */
const pageMost = 400;
/** Of a page that looks at 2,000 rows; those of one name lie far apart. */
const lookingMost = 2_000 + pageMost;

const lists: readonly EventCase[] = [
  listed("of all", { filter: () => ({}), indexes: [byTime, key], most: pageMost, rows: 51 }),
  listed("of a small namespace", {
    filter: () => ({ namespace: "small-3" }),
    indexes: [byTime, key],
    most: pageMost,
    rows: 51,
  }),
  listed("of an unknown namespace", { filter: () => ({ namespace: "nobody" }), indexes: [byTime, key], most: 30 }),
  listed("of a time", {
    filter: () => ({ from: daysAgo(9), to: daysAgo(8) }),
    indexes: [byTime, key],
    most: pageMost,
    rows: 51,
  }),
  listed("after an id", { filter: () => ({ before: sample.id }), indexes: [byTime, key], most: pageMost }),
  listed("of a name", { filter: () => ({ name }), indexes: [byName, key], most: pageMost, rows: 51 }),
  listed("of a name and a time", {
    filter: () => ({ name, from: daysAgo(9), to: daysAgo(5) }),
    indexes: [byName, key],
    most: pageMost,
    rows: 51,
  }),
  listed("of a correlation", {
    filter: () => ({ correlationId: `c-${Math.floor(sample.n / 3)}` }),
    indexes: [byCorrelation, key],
    most: 60,
    rows: 1,
  }),
  listed("of a cause", {
    filter: () => ({ causationId: `event-${sample.n}` }),
    indexes: [byCausation, key],
    most: 80,
    rows: 1,
  }),
  listed("of a source", {
    filter: () => ({ sourceKey: "source-0" }),
    indexes: [bySource, key],
    most: pageMost,
    rows: 51,
  }),
  listed("of an eventId", {
    filter: () => ({ eventId: `event-${sample.n}` }),
    indexes: [byEventId, key],
    most: 60,
    rows: 1,
  }),
  listed("of an eventId that is a row's", {
    filter: () => ({ eventId: sample.id }),
    indexes: [byEventId, byTime, key],
    most: 60,
    rows: 1,
  }),
  listed("of a pattern", {
    filter: () => ({ nameRegex: "^orders\\.[^.]+\\.paid$" }),
    indexes: [byTime, key],
    most: lookingMost,
    rows: 51,
  }),
  listed("of a pattern that nothing fits", {
    filter: () => ({ nameRegex: "^nothing\\.[^.]+$" }),
    indexes: [byTime, key],
    most: lookingMost,
  }),
  listed("of a payload that nothing has", {
    filter: () => ({ payload: '{"order":-1}' }),
    indexes: [byTime, key],
    most: lookingMost,
  }),
  listed("of a name and a payload that nothing has", {
    filter: () => ({ name, payload: '{"order":-1}' }),
    indexes: [byName, key],
    most: lookingMost,
  }),
  listed("of a source and a name that it has not", {
    filter: () => ({ sourceKey: "source-0", name: "nothing" }),
    indexes: [bySource, key],
    most: lookingMost,
  }),
];

const prepared: readonly EventCase[] = [
  of(views.readRoutings, {
    values: () => [sample.shard, sample.id, 1_001],
    indexes: ["event_routings_pkey"],
    most: 10,
    rows: 1,
  }),
  of(views.readDeliveriesOfEvent, {
    values: () => [sample.id, 1_001],
    indexes: ["event_deliveries_event_idx"],
    most: 10,
    rows: 1,
  }),
  of(views.readDeadLettersOfEvent, {
    values: () => [sample.id, 1_001],
    indexes: ["dead_letter_queue_event_idx"],
    most: 10,
    rows: 1,
  }),
  of(settings.readRevisions, { values: () => [["n7", "n8", "n4000"]], indexes: ["event_settings_pkey"], most: 20 }),
  of(settings.readEventSettings, { values: () => ["n7"], indexes: ["event_settings_pkey"], most: 5 }),
  of(definitions.readLatestOfNames, {
    values: () => [bigNamespace, [name, "nothing", "orders.n77.paid"]],
    indexes: ["event_definitions_pattern_idx"],
    most: 30,
  }),
  of(definitions.readOwnerOfPattern, {
    values: () => [bigNamespace, name, "E7"],
    indexes: ["event_definitions_pattern_idx"],
    most: 15,
  }),
  of(definitions.readDefinitionByEventId, {
    values: () => [bigNamespace, "E7"],
    indexes: ["event_definitions_version_key"],
    most: 20,
  }),
  of(definitions.readHighestDefinition, {
    values: () => [bigNamespace, "E7"],
    indexes: ["event_definitions_version_key"],
    most: 5,
  }),
  of(intake.insertDeadLetters, {
    values: () => [bigNamespace, JSON.stringify([[0, uuidv7(Date.now()), "new", {}, "m", "UNKNOWN_EVENT", {}]])],
    indexes: [],
    most: 60,
    rows: 1,
  }),
];

let line: Connection;
let explainer: Explainer;
let drop: () => Promise<void>;

beforeAll(async () => {
  const made = await openTestDatabase();
  drop = made.drop;
  line = await made.db.connect();
  await line.unnamed(
    "select workflow_orchestrator_service.engine_ensure_partitions(now() - interval '22 days', now() + interval '8 days')",
  );
  explainer = await openExplainer(made.url);
});
afterAll(async () => {
  await explainer.close();
  await line.close();
  await drop();
});

/** The plans of a case, that of a first call and the prepared one. */
const plansOf = async ({ sent }: EventCase) => [
  await explainer.explain({ ...sent(), generic: false }),
  await explainer.explain({ ...sent(), generic: true }),
];

/** How a plan reaches tables but by the case's indexes; a partition that is empty may be read by any. */
const straysOf = ({ nodes }: Plan, { indexes }: EventCase, isEmpty: (relation: string) => boolean): string[] =>
  nodes
    .filter(({ kind, index }) => kind === "Seq Scan" || (index !== undefined && !indexes.includes(index)))
    .filter(({ relation }) => !isEmpty(relation ?? ""))
    .map(({ kind, relation, index }) => `${kind} of ${relation} by ${index}`);

/** Lists are planned each time; what is prepared while tables are empty is kept while they fill. */
describe("in tables that were empty when they were analyzed", () => {
  beforeAll(async () => {
    await line.unnamed("vacuum analyze");
  });

  test.each(prepared)("$name uses its index", async (one) => {
    for (const plan of await plansOf(one)) expect(straysOf(plan, one, () => false)).toEqual([]);
  });
});

describe("with 200,000 events", () => {
  let empty: string[];

  beforeAll(async () => {
    const samples = await insertManyEvents(line);
    sample = samples.at(-1)!;
    await line.unnamed("vacuum analyze");
    const rows = await line.unnamed<{ name: string }>("select relname as name from pg_class where reltuples = 0");
    empty = rows.map(({ name: relation }) => relation);
  }, 300_000);

  test.each([...lists, ...prepared])("$name uses its index, and reads few pages", async (one) => {
    for (const plan of await plansOf(one)) {
      expect(straysOf(plan, one, (relation) => empty.includes(relation))).toEqual([]);
      expect(plan.buffers).toBeLessThanOrEqual(one.most);
      expect(plan.nodes[0]!.rows).toBeGreaterThanOrEqual(one.rows ?? 0);
    }
  });
});
