/** Coroutines on virtual time: what the model needs of a clock, and nothing of workflows. */

/** What a coroutine yields: how to be woken. What is returned takes that back. */
export type Arm = (wake: (value?: unknown) => void) => () => void;
export type Co<T> = Generator<Arm, T, unknown>;
interface Timer {
  atMs: number;
  act(): void;
}

export const nothing = () => {};
/** What `until` wakes with when nothing else did in time. */
export const timeUp = Symbol("time is up");

export class Clock {
  now = 0;
  /** Called at the end of an instant when no coroutine is left. */
  whenStill = nothing;
  readonly #lasting: (ms: number) => number;
  readonly #soon: (() => void)[] = [];
  readonly #timers = new Set<Timer>();
  readonly #live = new Set<{ name: string; stop(): void }>();

  /** `lasting` is how long something takes that should take `ms`; by default, as long. */
  constructor(lasting: (ms: number) => number = (ms) => ms) {
    this.#lasting = lasting;
  }

  /** Calls back after so many milliseconds; the result takes that back. */
  after(ms: number, act: () => void): () => void {
    const timer = { atMs: this.now + this.#lasting(ms), act };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Wakes by `arm`, or with `timeUp` after so long. */
  until(ms: number | undefined, arm: Arm = () => nothing): Arm {
    return (wake) => {
      const clear = ms === undefined ? nothing : this.after(ms, () => wake(timeUp));
      const disarm = arm(wake);
      return () => {
        clear();
        disarm();
      };
    };
  }

  /** Runs before anything else happens, time included. */
  next(act: () => void): void {
    this.#soon.unshift(act);
  }

  /** Runs a coroutine beside the others, from now on. One that is stopped runs its `finally` and is done with. */
  run<T>(name: string, body: Co<T>, whenDone: (result: T) => void): void {
    let disarm = nothing;
    const self = {
      name,
      stop: () => {
        this.#live.delete(self);
        disarm();
        body.return(undefined as T);
      },
    };
    const go = (value?: unknown): void => {
      if (!this.#live.has(self)) return;
      disarm();
      const step = body.next(value);
      if (step.done) {
        this.#live.delete(self);
        whenDone(step.value);
        return;
      }
      let woken = false;
      disarm = step.value((woke) => {
        if (!woken) this.#soon.push(() => go(woke));
        woken = true;
      });
    };
    this.#live.add(self);
    this.#soon.push(go);
  }

  stop(which: (name: string) => boolean): void {
    for (const each of [...this.#live]) if (which(each.name)) each.stop();
  }

  /** Lets everything happen that happens at this instant, then goes on to the next one at which something does. */
  turn(): void {
    do {
      for (let act = this.#soon.shift(); act !== undefined; act = this.#soon.shift()) act();
      if (this.#live.size === 0) this.whenStill();
    } while (this.#soon.length > 0);
    const [first, ...others] = this.#timers;
    if (first === undefined) return;
    const timer = others.reduce((one, other) => (other.atMs < one.atMs ? other : one), first);
    this.#timers.delete(timer);
    this.now = timer.atMs;
    timer.act();
  }
}
