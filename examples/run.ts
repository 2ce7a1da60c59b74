/**
 * Runs both examples on a program that lives: twelve orders with their different ends, and 329 deliveries of GitHub.
 *
 * Starts, payments and deliveries carry ids, so examples that were interrupted go on where they stopped, and examples that
 * were run are left alone.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceView, Millrace } from "millrace";
import { parse } from "yaml";
import { type Delivery, readDeliveries } from "./github_triage/deliveries.ts";
import { deliver, type Hook, openHook } from "./github_triage/hook.ts";
import { type ExampleOrder, orders } from "./orders/orders.ts";

export interface ExampleResult {
  workflowId: string;
  instances: number;
  /** Instances by final status; `RUNNING` and the like when one did not end within a minute. */
  ended: Record<string, number>;
  /** From the first start to the last end. */
  elapsedMs: number;
  /** From an instance's start to its end, half of them faster. */
  medianMs: number;
}

export interface ExamplesRun {
  /** False when all of them had been started by an earlier program; `results` then counts what is in the database. */
  ranNow: boolean;
  results: ExampleResult[];
}

export interface ExamplesOptions {
  millrace: Millrace;
  /** Where the program serves HTTP: deliveries come in by its webhook. */
  url: string;
  onProgress?(ended: number, total: number): void;
}

/** Instances of one example that are under way at once. */
const inFlight = 64;
const longestMs = 60_000;

/** A workflow that others start comes before them. */
const definitionFiles = ["github_triage/github_triage.yaml", "orders/shipping.yaml", "orders/order_fulfilment.yaml"];

export async function readExampleDefinitions(): Promise<Record<string, unknown>[]> {
  return await Promise.all(
    definitionFiles.map(async (file) => parse(await readFile(new URL(file, import.meta.url), "utf8"))),
  );
}

export async function runExamples({ millrace, url, onProgress = () => {} }: ExamplesOptions): Promise<ExamplesRun> {
  const deliveries = await readDeliveries();
  const counts = { "github-triage": deliveries.length, "order-fulfilment": orders.length };
  const before = await Promise.all(Object.keys(counts).map((workflowId) => countPresent(millrace, workflowId)));
  if (before.every(({ instances }, index) => instances >= Object.values(counts)[index]!)) {
    return { ranNow: false, results: before };
  }
  for (const definition of await readExampleDefinitions()) await millrace.define(definition);
  const hook = await openHook(millrace, url);
  const examples = [
    { workflowId: "github-triage", items: deliveries.map((delivery) => () => triage(millrace, hook, delivery)) },
    { workflowId: "order-fulfilment", items: orders.map((order) => () => fulfil(millrace, order)) },
  ];
  const total = deliveries.length + orders.length;
  let ended = 0;
  const onEnd = () => onProgress(++ended, total);
  onProgress(0, total);
  const results = await Promise.all(examples.map((example) => runExample(example, onEnd)));
  return { ranNow: true, results };
}

type Run = () => Promise<InstanceView>;

async function runExample({ workflowId, items }: { workflowId: string; items: Run[] }, onEnd: () => void) {
  const startedAt = performance.now();
  const views: InstanceView[] = [];
  const waiting = items.values();
  const lane = async () => {
    for (const item of waiting) {
      views.push(await item());
      onEnd();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { ...summaryOf(workflowId, views), elapsedMs: performance.now() - startedAt };
}

/** Posts a delivery, and follows the instance that its event starts. */
async function triage(millrace: Millrace, hook: Hook, delivery: Delivery): Promise<InstanceView> {
  await deliver(hook, delivery);
  for (const untilMs = performance.now() + longestMs; performance.now() < untilMs; await sleep(20)) {
    const [started] = await millrace.list({ definitionId: "github-triage", correlationId: delivery.name, limit: 1 });
    if (started !== undefined) return await endOf(millrace, started.id);
  }
  throw new Error(`The delivery ${delivery.name} started nothing`);
}

const bank = { type: "external", id: "bank" };

/** Places the order and does what its customer does. */
async function fulfil(millrace: Millrace, { order, customerThen }: ExampleOrder): Promise<InstanceView> {
  const { orderId } = order;
  const { instanceId } = await millrace.startInstance({
    definitionId: "order-fulfilment",
    input: order,
    correlationId: orderId,
    idempotencyKey: `example-${orderId}`,
  });
  try {
    if (customerThen === "pay") {
      const payload = { orderId, receipt: `receipt-${orderId.slice("order-".length)}` };
      // As the bank would: it knows the order, and nothing of the instance that waits. The event may come before the wait.
      await millrace.publish({ pattern: "payment.settled", payload, eventId: `pay-${orderId}`, source: bank });
    } else if (customerThen === "cancel") {
      await untilItWaits(millrace, instanceId);
      await millrace.cancel(instanceId, { reason: "The customer changed their mind" });
    }
  } catch (error) {
    // An order that an interrupted run had brought to its end already; anything else is a fault.
    if (!isFinal((await millrace.get(instanceId))?.status)) throw error;
  }
  return await endOf(millrace, instanceId);
}

/** The customer of a cancelled order sees it waiting for the payment first. */
async function untilItWaits(millrace: Millrace, instanceId: string): Promise<void> {
  for (;;) {
    const status = (await millrace.get(instanceId))?.status;
    if (status === "WAITING_FOR_EVENT" || isFinal(status)) return;
    await sleep(20);
  }
}

async function endOf(millrace: Millrace, instanceId: string): Promise<InstanceView> {
  const view = await millrace.waitForEnd(instanceId, { timeoutMs: longestMs });
  if (view === undefined) throw new Error(`The instance ${instanceId} of an example is gone`);
  return view;
}

async function countPresent(millrace: Millrace, workflowId: string): Promise<ExampleResult> {
  return { ...summaryOf(workflowId, await millrace.list({ definitionId: workflowId, limit: 500 })), elapsedMs: 0 };
}

interface Ended {
  status: string;
  startedAt: string;
  completedAt?: string;
}

function summaryOf(workflowId: string, instances: Ended[]): Omit<ExampleResult, "elapsedMs"> {
  const ended: Record<string, number> = {};
  const durationsMs: number[] = [];
  for (const { status, startedAt, completedAt } of instances) {
    ended[status] = (ended[status] ?? 0) + 1;
    if (completedAt !== undefined) durationsMs.push(Date.parse(completedAt) - Date.parse(startedAt));
  }
  durationsMs.sort((a, b) => a - b);
  return { workflowId, instances: instances.length, ended, medianMs: durationsMs[durationsMs.length >> 1] ?? 0 };
}

function isFinal(status: string | undefined): boolean {
  return status === "COMPLETED" || status === "FAILED" || status === "CANCELLED";
}
