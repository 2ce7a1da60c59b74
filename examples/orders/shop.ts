/**
 * A small shop: a shelf with goods, a bank with limits, a carrier with two desks. The books are in memory, and they are
 * kept: whatever happens to the orders, stock and money add up (`shop.test.ts` checks it).
 *
 * A handler may be called again for a step whose result was not recorded, always with the same `ctx.idempotencyKey`. Each
 * one here keeps what it did under that key and does it once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { TaskError, type TaskHandler } from "millrace";

interface Line {
  sku: string;
  quantity: number;
}

type Stock = Record<string, { onHand: number; priceCents: number }>;

export const openingStock: Readonly<Stock> = {
  kettle: { onHand: 40, priceCents: 3_900 },
  teapot: { onHand: 25, priceCents: 5_400 },
  cup: { onHand: 200, priceCents: 850 },
  samovar: { onHand: 2, priceCents: 64_900 },
};

export interface Books {
  stock: Stock;
  reservations: Map<string, { orderId: string; lines: Line[]; state: "held" | "released" | "shipped" }>;
  charges: Map<string, { orderId: string; amountCents: number; state: "taken" | "refunded" }>;
  shipments: Map<string, { orderId: string; country: string }>;
}

export interface Shop {
  books: Books;
  /** By task id. */
  tasks: Record<string, TaskHandler>;
}

/** The bank's limit per card where it is not the usual one. */
const cardLimitsCents: Record<string, number> = { "card-jana": 20_000 };
const usualLimitCents = 100_000;

const served = new Set(["AT", "CH", "DE", "ES", "FR", "IT", "NL", "PL"]);
const carrierDesks = 2;

export function openShop(): Shop {
  const books: Books = {
    stock: structuredClone(openingStock),
    reservations: new Map(),
    charges: new Map(),
    shipments: new Map(),
  };
  return {
    books,
    tasks: {
      "shop.reserve-stock": once((input, key) => reserve(books, input, key)),
      "shop.release-stock": once((input) => release(books, input)),
      "shop.charge": once((input, key) => charge(books, input, key)),
      "shop.refund": once((input) => refund(books, input)),
      "shop.ship": carrier(books),
      "shop.close-unpaid": once((input) => ({ outcome: "unpaid", ...refund(books, input), ...release(books, input) })),
    },
  };
}

type Fields = Record<string, unknown>;

/** Does the work of each key once, and gives the same answer to whoever comes again with it. */
function once(work: (input: Fields, key: string) => unknown): TaskHandler {
  const answers = new Map<string, unknown>();
  return (input, { idempotencyKey }) => {
    if (!answers.has(idempotencyKey)) answers.set(idempotencyKey, work(input as Fields, idempotencyKey));
    return answers.get(idempotencyKey);
  };
}

function reserve({ stock, reservations }: Books, input: Fields, key: string) {
  const lines = input.lines as Line[];
  for (const { sku, quantity } of lines) {
    const onHand = stock[sku]?.onHand;
    if (onHand === undefined) throw refusal("UNKNOWN_ARTICLE", `We do not sell "${sku}"`);
    if (onHand < quantity) throw refusal("OUT_OF_STOCK", `${quantity} × ${sku} are wanted, ${onHand} are left`);
  }
  for (const { sku, quantity } of lines) stock[sku]!.onHand -= quantity;
  reservations.set(key, { orderId: String(input.orderId), lines, state: "held" });
  const totalCents = lines.reduce((sum, { sku, quantity }) => sum + stock[sku]!.priceCents * quantity, 0);
  return { reservationId: key, totalCents };
}

function release({ stock, reservations }: Books, input: Fields) {
  const reservation = reservations.get(String(input.reservationId));
  if (reservation?.state === "held") {
    for (const { sku, quantity } of reservation.lines) stock[sku]!.onHand += quantity;
    reservation.state = "released";
  }
  return { released: input.reservationId };
}

function charge({ charges }: Books, input: Fields, key: string) {
  const card = String(input.card);
  const amountCents = Number(input.amountCents);
  const limitCents = cardLimitsCents[card] ?? usualLimitCents;
  if (amountCents > limitCents) {
    throw refusal(
      "CARD_DECLINED",
      `The bank refuses ${euros(amountCents)}; the limit of ${card} is ${euros(limitCents)}`,
    );
  }
  charges.set(key, { orderId: String(input.orderId), amountCents, state: "taken" });
  return { chargeId: key, amountCents };
}

function refund({ charges }: Books, input: Fields) {
  const taken = charges.get(String(input.chargeId));
  if (taken !== undefined) taken.state = "refunded";
  return { refunded: input.chargeId };
}

/** The carrier's desks take one parcel each at a time; who finds both busy is sent away and comes again. */
function carrier({ shipments, reservations }: Books): TaskHandler {
  let busyDesks = 0;
  return async (input, { idempotencyKey, signal }) => {
    const { orderId, country, reservationId, receipt } = input as Record<string, string>;
    if (!served.has(country!)) throw refusal("NO_ROUTE", `The carrier does not go to ${country}`);
    if (busyDesks === carrierDesks) {
      throw new TaskError({ code: "CARRIER_BUSY", category: "TRANSIENT", message: "Both desks are busy; come again" });
    }
    busyDesks++;
    try {
      await sleep(20, undefined, { signal });
    } finally {
      busyDesks--;
    }
    shipments.set(idempotencyKey, { orderId: orderId!, country: country! });
    const reservation = reservations.get(reservationId!);
    if (reservation !== undefined) reservation.state = "shipped";
    return { outcome: "shipped", parcel: `parcel-${orderId!.slice("order-".length)}-${country}`, receipt };
  };
}

function refusal(code: string, message: string): TaskError {
  return new TaskError({ code, category: "BUSINESS", message });
}

function euros(cents: number): string {
  return `€${(cents / 100).toFixed(2)}`;
}
