/**
 * The blow that falls inside a flush. From outside a flush of two milliseconds is hard to hit; the node itself knows
 * when it has sent one. It then holds its breath for the given time, so that no answer can be read, and kills.
 */

import { type Connection, Database, type Statement } from "../../src/foundation/database/index.ts";
import { killServer } from "../kill_server.ts";
import type { Diary } from "./diary.ts";
import type { Strike } from "./lines.ts";

export interface Order {
  id: number;
  postgresPid?: number;
  self: boolean;
  afterSentUs: number;
  /** Told unless the node killed itself. */
  struck(strike: Strike): void;
}

/** Without a flush for so long, the blow falls outside one. */
const patienceMs = 3_000;

/** A database whose flushes are announced in the diary and can be struck. */
export class StruckDatabase extends Database {
  readonly #diary: Diary;
  #orders: Order[] = [];

  constructor(options: ConstructorParameters<typeof Database>[0], diary: Diary) {
    super(options);
    this.#diary = diary;
  }

  /** Strikes during the next flush. */
  order(order: Order): void {
    this.#orders.push(order);
    setTimeout(() => {
      const index = this.#orders.indexOf(order);
      if (index === -1) return;
      this.#orders.splice(index, 1);
      this.#strike(order, { inFlush: false });
    }, patienceMs);
  }

  override async connect(): Promise<Connection> {
    const line = await super.connect();
    return {
      query: <R>(statement: Statement, values?: readonly unknown[]) =>
        statement.name === "engine.flush" ? this.#flush<R>(line, statement, values) : line.query<R>(statement, values),
      execute: line.execute,
      unnamed: line.unnamed,
      onLost: line.onLost,
      listen: line.listen,
      close: line.close,
      abort: line.abort,
      get alive() {
        return line.alive;
      },
      backendPid: line.backendPid,
    };
  }

  async #flush<R>(line: Connection, statement: Statement, values: readonly unknown[] = []): Promise<R[]> {
    let answered = false;
    this.#diary.flushing(true);
    const answer = line.query<R>(statement, values).finally(() => {
      answered = true;
      this.#diary.flushing(false);
    });
    // By the next turn of the loop the bytes are with the kernel.
    if (this.#orders.length > 0) {
      setImmediate(() => {
        if (answered) return;
        for (const order of this.#orders.splice(0)) {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.afterSentUs / 1_000);
          this.#strike(order, { inFlush: true, laneId: String(values[0]), seq: Number(values[1]) });
        }
      });
    }
    return await answer;
  }

  #strike(order: Order, hit: Omit<Strike, "at">): void {
    const strike = { ...hit, at: Date.now() };
    this.#diary.note({ kind: "strike", id: order.id, ...strike });
    if (order.postgresPid !== undefined) killServer(order.postgresPid);
    if (order.self) process.kill(process.pid, "SIGKILL");
    order.struck(strike);
  }
}
