/** What a node costs the database while nothing happens: hints wake it, and only safety nets look by themselves. */

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createEngine } from "../../src/engine/index.ts";
import { Database } from "../../src/foundation/database/index.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { openCountingProxy } from "../support/counting_proxy.ts";
import { createTestDatabase } from "../support/database.ts";

const settleMs = 3_000;
const measureMs = 12_000;
const mostPerSecond = 2;

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, one) => sum + one, 0);

test("an idle node sends fewer than two statements a second, and still beats and looks around", async () => {
  const { url, drop } = await createTestDatabase();
  const proxy = await openCountingProxy(url);
  const database = new Database({ url: proxy.url, log: silentLogger });
  const engine = createEngine({
    database,
    log: silentLogger,
    handlers: { get: () => undefined, ids: () => [] },
    definitions: {
      resolve: () => Promise.reject(new Error("nothing is started")),
      load: () => Promise.reject(new Error("nothing is started")),
    },
  });
  await engine.start();
  expect(engine.stats().shards).toBe(64);
  // A node that starts has much to ask, so a proxy that counted nothing would show here.
  await sleep(settleMs);
  expect(total(proxy.take())).toBeGreaterThan(20);

  await sleep(measureMs);
  const counts = proxy.take();
  const shown = JSON.stringify(Object.fromEntries(counts));
  expect(total(counts) / (measureMs / 1_000), shown).toBeLessThan(mostPerSecond);
  // A lease of ten seconds needs a beat every third of it.
  expect(counts.get("engine.beat"), shown).toBeGreaterThanOrEqual(2);
  expect(counts.get("engine.read_cluster"), shown).toBeGreaterThanOrEqual(2);

  await engine.stop();
  await database.close();
  await proxy.close();
  await drop();
});
