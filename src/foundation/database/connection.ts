/**
 * A connection of one's own, for what must not share a pool: a lane's flushes, a node's beat, LISTEN, a session lock.
 *
 * It does not reconnect. When it is lost, what it held on the server (locks, LISTEN) is lost too, and only its owner
 * knows what to look at again; so the owner is told and opens another.
 */
import pg from "pg";
import { type ClientOptions, type Db, dbOver, openClient } from "./client.ts";
import { listenText, readBackendPid } from "./queries.ts";

export interface Connection extends Db {
  /**
   * Calls `listener` once when the connection is lost without `close()`: at once if that has happened already.
   * Statements under way are rejected with the same error; whether they were committed is unknown.
   */
  onLost(listener: (error: Error) => void): void;
  /** Calls `receive` for every notification on `channel` from now on, until the connection ends. */
  listen(channel: string, receive: (payload: string) => void): Promise<void>;
  /** Says goodbye to the server; cuts the line if that takes more than two seconds. */
  close(): Promise<void>;
  /** Cuts the line without goodbye, as a broken network would. `onLost` listeners are called. */
  abort(): void;
  /** False once the connection is lost or closed. */
  readonly alive: boolean;
  /** The process id of the server's side, as in `pg_stat_activity`. */
  readonly backendPid: number;
}

const closeTimeoutMs = 2_000;

/** Opens a connection; rejects with the driver's error when the server cannot be reached or refuses. */
export async function openConnection(options: ClientOptions): Promise<Connection> {
  const { client, socket } = openClient(options);
  const receivers = new Map<string, Set<(payload: string) => void>>();
  const lostListeners: ((error: Error) => void)[] = [];
  let state: "open" | "closed" | { lost: Error } = "open";

  client.on("error", (error) => {
    if (state === "open") {
      state = { lost: error };
      for (const listener of lostListeners) {
        listener(error);
      }
    }
  });
  client.on("notification", ({ channel, payload }) => {
    for (const receive of receivers.get(channel) ?? []) {
      receive(payload ?? "");
    }
  });

  await client.connect();
  const db = dbOver(client);
  const [backend] = await db.query<{ pid: number }>(readBackendPid);

  return {
    ...db,
    onLost(listener) {
      if (typeof state === "object") {
        listener(state.lost);
      } else {
        lostListeners.push(listener);
      }
    },
    async listen(channel, receive) {
      const listeners = receivers.get(channel) ?? new Set();
      receivers.set(channel, listeners.add(receive));
      await client.query(listenText(pg.escapeIdentifier(channel)));
    },
    async close() {
      if (state !== "open") {
        return;
      }
      state = "closed";
      const impatience = setTimeout(() => socket.destroy(), closeTimeoutMs);
      await client.end();
      clearTimeout(impatience);
    },
    abort() {
      socket.destroy();
    },
    get alive() {
      return state === "open";
    },
    backendPid: backend!.pid,
  };
}
