import { createMillrace, type EmbeddedMillrace, type InstanceView } from "millrace";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../test/support/database.ts";
import { readDeliveries } from "./github_triage/deliveries.ts";
import { orders } from "./orders/orders.ts";
import { openingStock, openShop } from "./orders/shop.ts";
import { type ExamplesRun, runExamples } from "./run.ts";

const shop = openShop();
const progress: [number, number][] = [];
let database: TestDatabase;
let millrace: EmbeddedMillrace;
let run: ExamplesRun;

beforeAll(async () => {
  database = await createTestDatabase();
  millrace = createMillrace({ databaseUrl: database.url, tasks: shop.tasks, http: { port: 0 } });
  await millrace.start();
  run = await runExamples({ millrace, url: millrace.url!, onProgress: (...step) => progress.push(step) });
});
afterAll(async () => {
  await millrace.stop();
  await database.drop();
});

/** The instance of this order or delivery; its children have the same correlation. */
async function instanceOf(correlationId: string): Promise<InstanceView> {
  const all = await millrace.list({ correlationId });
  const [found, second] = all.filter(({ parentInstanceId }) => parentInstanceId === undefined);
  expect(second).toBeUndefined();
  return (await millrace.get(found!.id))!;
}

describe("order fulfilment", () => {
  test.each(orders)("ends $order.orderId of $order.customer as $ending.outcome", async ({ order, ending }) => {
    const { status, output, error } = await instanceOf(order.orderId);
    expect(status).toBe(ending.status);
    if (status === "COMPLETED") expect(output).toMatchObject({ outcome: ending.outcome });
    if (status === "FAILED") expect(error).toMatchObject({ code: ending.outcome, category: "BUSINESS" });
  });

  test("undoes in reverse what was done for an order that cannot be shipped", async () => {
    const { compensationState } = await instanceOf("order-1008");
    expect(compensationState).toMatchObject({
      status: "COMPLETED",
      completed: ["refund", "release-stock"],
      failed: [],
    });
  });

  test("undoes nothing for an order of which nothing was done", async () => {
    expect((await instanceOf("order-1011")).compensationState).toBeUndefined();
    expect((await instanceOf("order-1010")).compensationState).toMatchObject({ completed: ["release-stock"] });
  });

  test("ships by a child, whose failure is the order's", async () => {
    for (const { order, ending } of orders) {
      const parent = await instanceOf(order.orderId);
      const children = await millrace.list({ parentInstanceId: parent.id });
      const ships = ending.outcome === "shipped" || ending.outcome === "NO_ROUTE";
      expect(children.map(({ workflowId, status }) => [workflowId, status])).toEqual(
        ships ? [["shipping", ending.status]] : [],
      );
      if (ending.outcome === "NO_ROUTE") {
        expect(parent.error).toMatchObject({ code: "NO_ROUTE", details: { instanceId: children[0]!.id } });
      }
    }
  });

  test("leaves books that add up: what is gone from the shelf was shipped and paid for", () => {
    const shipped = orders.filter(({ ending }) => ending.outcome === "shipped").map(({ order }) => order);
    for (const [sku, { onHand }] of Object.entries(openingStock)) {
      const sold = shipped.flatMap(({ lines }) => lines).filter((line) => line.sku === sku);
      expect(shop.books.stock[sku]!.onHand).toBe(onHand - sold.reduce((sum, { quantity }) => sum + quantity, 0));
    }
    const kept = [...shop.books.charges.values()].filter(({ state }) => state === "taken");
    expect(kept.map(({ orderId }) => orderId).sort()).toEqual(shipped.map(({ orderId }) => orderId).sort());
    const parcels = [...shop.books.shipments.values()].map(({ orderId }) => orderId);
    expect(parcels.sort()).toEqual(shipped.map(({ orderId }) => orderId).sort());
    expect([...shop.books.reservations.values()].filter(({ state }) => state === "held")).toEqual([]);
  });
});

describe("GitHub triage", () => {
  test("ends every documented delivery with a sentence about it", async () => {
    const deliveries = await readDeliveries();
    expect(deliveries).toHaveLength(329);
    expect(new Set(deliveries.map(({ kind }) => kind)).size).toBe(58);
    const queues: Record<string, number> = {};
    for (const { name, kind, payload } of deliveries) {
      const { status, output } = await instanceOf(name);
      expect(status, name).toBe("COMPLETED");
      const { queue, urgency, summary } = output as Record<string, string>;
      const { labels, commits } = output as { labels: { name: string }[]; commits: { id: string }[] };
      const subject = (payload.issue ?? payload.pull_request) as { labels?: { name: string }[] } | undefined;
      expect(labels.map((label) => label.name)).toEqual((subject?.labels ?? []).map((label) => label.name));
      const pushed = kind === "push" ? (payload.commits as { id: string }[]) : [];
      expect(commits.map(({ id }) => id)).toEqual(pushed.map(({ id }) => id));
      const sender = (payload.sender as { login: string } | undefined)?.login ?? "GitHub";
      expect(summary).toMatch(new RegExp(`^${sender.replace(/[[\]]/g, "\\$&")}: ${kind}\\b.*: .+$`));
      expect(["high", "normal", "low", "none"]).toContain(urgency);
      queues[queue!] = (queues[queue!] ?? 0) + 1;
    }
    expect(queues).toMatchInlineSnapshot(`
      {
        "archive": 139,
        "build": 42,
        "code": 36,
        "conversation": 38,
        "people": 40,
        "reports": 6,
        "review": 11,
        "security": 17,
      }
    `);
  });

  test.each([
    ["check_run-2", "build", "high", /a check_run needs somebody$/],
    ["check_suite-1", "build", "none", /is under way or went well$/],
    ["issues-16", "reports", "high", /report #1, Spelling error in the README file$/],
    ["push-5", "code", "none", /Codertocat\/Hello-World: 1 commits on refs\/heads\/master$/],
    ["pull_request-1", "review", "high", /pull request #2, Update the README with new information\.$/],
    [
      "security_advisory-4",
      "security",
      "high",
      /^GitHub: security_advisory withdrawn: Withdrawn: Arbitrary Code Execution/,
    ],
    ["star-1", "people", "low", /star created in /],
    ["ping-1", "archive", "none", /nothing that anybody waits for$/],
  ])("puts %s into the queue %s", async (name, queue, urgency, summary) => {
    const output = (await instanceOf(name)).output as Record<string, string>;
    expect(output).toMatchObject({ queue, urgency });
    expect(output.summary).toMatch(summary);
  });
});

describe("a run of the examples", () => {
  test("tells how far it is and how all ended", () => {
    expect(progress[0]).toEqual([0, 341]);
    expect(progress.at(-1)).toEqual([341, 341]);
    expect(run.ranNow).toBe(true);
    expect(run.results).toMatchObject([
      { workflowId: "github-triage", instances: 329, ended: { COMPLETED: 329 } },
      { workflowId: "order-fulfilment", instances: 12, ended: { COMPLETED: 7, FAILED: 4, CANCELLED: 1 } },
    ]);
  });

  test("is not made again", async () => {
    const again = await runExamples({ millrace, url: millrace.url! });
    expect(again.ranNow).toBe(false);
    expect(again.results.map(({ instances }) => instances)).toEqual([329, 12]);
  });
});
