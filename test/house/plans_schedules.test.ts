/** How PostgreSQL runs what schedules ask for: as `plans.test.ts`, in empty tables and with 200,000 occurrences. */

import { afterAll, beforeAll, describe, test } from "vitest";
import { forgetEmptiness } from "../../src/engine/queries/retention.ts";
import type { Connection } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { openTestDatabase } from "../support/database.ts";
import { type Sample, shardCount } from "../support/many_instances.ts";
import { type Explainer, openExplainer } from "../support/plans.ts";
import type { Case, Some } from "./plan_cases.ts";
import { checkCost, checkIndexes } from "./plan_checks.ts";
import { scheduleCases } from "./plan_schedule_cases.ts";

let samples: Sample[] = [{ n: 2, shard: 2, id: uuidv7(Date.now(), 2) }];
const some: Some = (count) => samples.slice(-count);

let line: Connection;
let explainer: Explainer;
let drop: () => Promise<void>;

beforeAll(async () => {
  const made = await openTestDatabase();
  drop = made.drop;
  line = await made.db.connect();
  explainer = await openExplainer(made.url);
});
afterAll(async () => {
  await explainer.close();
  await line.close();
  await drop();
});

const usesIndexes = (one: Case) => checkIndexes(one, { explainer, some });
const engine = "workflow_orchestrator_service";

/** 200 schedules with 1,000 occurrences each, of which some wait; each with a timer among 50,000 of instances. */
const texts = [
  "set synchronous_commit = off",
  `create temporary table kept as
   select n, (n % ${shardCount})::smallint as shard,
     ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 9, '0') || lpad(to_hex(n % ${shardCount}), 3, '0'))::uuid as id
   from generate_series(1, 200) n`,
  `insert into ${engine}.schedules (id, namespace, name, kind, target_id, interval_ms, anchor_at, catch_up_ms, planned_from)
   select id, 'big', 's' || n, 'interval', 'w', 60000, '2020-01-01', 1000, '2020-01-01' from kept`,
  `insert into ${engine}.schedule_occurrences (shard, schedule_id, planned_at, status, instance_id)
   select shard, id, timestamptz '2020-01-01' + m * interval '1 hour', case when m % 50 = 0 then 'queued' else 'fired' end,
     case when m % 50 <> 0 then gen_random_uuid() end
   from kept, generate_series(1, 1000) m`,
  `insert into ${engine}.trigger_firings (shard, trigger_id, fired, last_fired_at) select shard, id, 1000, now() from kept`,
  `insert into ${engine}.timers (shard, due_at, instance_id, timer_key)
   select shard, now(), id, '~schedule 1 1893456000000' from kept`,
  `insert into ${engine}.timers (shard, due_at, instance_id, timer_key)
   select m % ${shardCount}, now() + m * interval '1 second', gen_random_uuid(), 'step' from generate_series(1, 50000) m`,
];

describe("in tables that were analyzed while they were empty", () => {
  beforeAll(async () => {
    await line.unnamed("analyze");
    await line.query(forgetEmptiness);
  });

  test.each(scheduleCases)("$name uses its index", usesIndexes);
});

describe("with 200,000 occurrences", () => {
  beforeAll(async () => {
    for (const text of texts) await line.unnamed(text);
    samples = await line.unnamed<Sample>("select n, shard, id from kept order by n");
    await line.unnamed("vacuum analyze");
    await line.query(forgetEmptiness);
  }, 120_000);

  test.each(scheduleCases)("$name uses its index", usesIndexes);
  test.each(scheduleCases)("$name reads few pages", (one) => checkCost(one, { explainer, some }));
});
