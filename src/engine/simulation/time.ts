/**
 * Virtual time: one queue of events for the whole world. Between two events everything that they released has run, so a
 * seed gives the same course of events on every machine.
 */

import type { Clock } from "../runtime/clock.ts";

interface Event {
  at: number;
  /** Breaks ties: events of one instant run in the order in which they were planned. */
  order: number;
  run: () => void;
}

export class VirtualTime {
  /** Milliseconds since 1970; also the database's clock. */
  now: number;
  /** Events that have run. */
  steps = 0;
  #heap: Event[] = [];
  #order = 0;

  constructor(startAt: number) {
    this.now = startAt;
  }

  after(delayMs: number, run: () => void): () => void {
    const event: Event = { at: this.now + Math.max(0, delayMs), order: this.#order++, run };
    push(this.#heap, event);
    return () => {
      event.run = nothing;
    };
  }

  /** More has happened than ever happens in a world that comes to rest. */
  get restless(): boolean {
    return this.steps > stepLimit;
  }

  /** Runs events until `done` says so or none is left before `until`. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= until && !this.restless && !done()) {
      const event = pop(this.#heap);
      this.now = Math.max(this.now, event.at);
      this.steps++;
      if (event.run === nothing) continue;
      event.run();
      // Everything that the event released by promises runs before the next one.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!done()) this.now = Math.max(this.now, until);
  }
}

const nothing = () => {};
const stepLimit = 60_000;

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}

/**
 * One process in the world: what is planned for it happens only while it lives, and waits while it is paused (SIGSTOP).
 * Its monotonic clock has an origin of its own.
 */
export class Process {
  alive = true;
  pausedUntil = 0;
  readonly #time: VirtualTime;
  readonly #originMs: number;

  constructor(time: VirtualTime, originMs: number) {
    this.#time = time;
    this.#originMs = originMs;
  }

  /** Nothing of it happens any more (SIGKILL). */
  kill(): void {
    this.alive = false;
  }

  after(delayMs: number, run: () => void): () => void {
    let cancel: () => void;
    const arrive = (): void => {
      if (!this.alive) return;
      if (this.pausedUntil > this.#time.now) cancel = this.#time.after(this.pausedUntil - this.#time.now, arrive);
      else run();
    };
    cancel = this.#time.after(delayMs, arrive);
    return () => cancel();
  }

  readonly clock: Clock = {
    monotonicMs: () => this.#time.now - this.#originMs,
    schedule: (delayMs, run) => this.after(delayMs, run),
    soon: (run) => void this.after(0, run),
  };
}
