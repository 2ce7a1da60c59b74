/** A way to PostgreSQL that counts the statements on it: every Execute and every simple Query of the wire protocol. */
import { connect, createServer, type Server, type Socket } from "node:net";

export interface CountingProxy {
  url: string;
  /** Statements since the last call, by name; those without one by `unnamed`. */
  take(): Map<string, number>;
  close(): Promise<void>;
}

export async function openCountingProxy(url: string): Promise<CountingProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let counts = new Map<string, number>();
  const count = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

  const server: Server = createServer((client) => {
    const upstream = connect({ host: target.hostname, port: Number(target.port) });
    const listen = readMessages(count);
    client.on("data", (data) => listen(data));
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const own = new URL(url);
  own.hostname = "127.0.0.1";
  own.port = String(address.port);

  return {
    url: own.toString(),
    take() {
      const taken = counts;
      counts = new Map();
      return taken;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const lengthBytes = 4;

/**
 * Cuts what a client sends into messages: a type of one byte, a length that counts itself, a body. Only the first
 * message of a connection has no type. Tells the name of the statement that each Execute or Query runs.
 */
function readMessages(tell: (name: string) => void): (data: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let started = false;
  let bound = "unnamed";
  return (data) => {
    rest = Buffer.concat([rest, data]);
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + lengthBytes) return;
      const end = head + rest.readInt32BE(head);
      if (rest.length < end) return;
      const kind = started ? String.fromCharCode(rest[0]!) : "start";
      const body = rest.subarray(head + lengthBytes, end);
      rest = rest.subarray(end);
      started = true;
      // Bind names the portal and then the statement, each ended by a zero byte.
      if (kind === "B") bound = body.toString("utf8").split("\0", 2)[1] || "unnamed";
      if (kind === "E") tell(bound);
      if (kind === "Q") tell(body.toString("utf8", 0, body.length - 1));
    }
  };
}
