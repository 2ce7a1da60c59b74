import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { z } from "zod";
import { silentLogger } from "../log.ts";
import { adminKey, startDemo } from "./demo.support.ts";
import { createHttpServer, sse } from "./index.ts";

/** A server with one route that answers when told to. */
async function startGate() {
  const server = createHttpServer({ log: silentLogger, version: "1", authenticate: () => undefined });
  const entered = Promise.withResolvers<AbortSignal>();
  const gate = Promise.withResolvers<void>();
  server.route({
    method: "GET",
    url: "/gate",
    summary: "Waits",
    public: true,
    responses: { 200: z.object({ ok: z.boolean() }) },
    handler: async ({ signal }) => {
      entered.resolve(signal);
      const aborted = new Promise<boolean>((resolve) => signal.addEventListener("abort", () => resolve(true)));
      return { ok: !(await Promise.race([gate.promise, aborted])) };
    },
  });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  return { server, url, entered: entered.promise, open: gate.resolve };
}

test("health says what the node is doing", async () => {
  const { server, url } = await startGate();
  const health = async () => {
    const response = await fetch(`${url}/health`);
    return [response.status, await response.json()];
  };
  expect(await health()).toEqual([503, { status: "starting" }]);
  server.setHealth("ok");
  expect(await health()).toEqual([200, { status: "ok" }]);
  await server.close();
  await expect(fetch(`${url}/health`)).rejects.toThrow();
});

test("a draining server finishes what is under way, refuses what is new, and then closes", async () => {
  const { server, url, entered, open } = await startGate();
  server.setHealth("ok");
  const under = fetch(`${url}/gate`);
  await entered;
  const closed = server.close();
  const refused = await fetch(`${url}/gate`);
  expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("connection")]).toEqual([
    503,
    "1",
    "close",
  ]);
  expect(await refused.json()).toMatchObject({ code: "http.draining", status: 503 });
  const health = await fetch(`${url}/health`);
  expect([health.status, await health.json()]).toEqual([503, { status: "draining" }]);
  open();
  expect(await (await under).json()).toEqual({ ok: true });
  await closed;
  await expect(fetch(`${url}/gate`)).rejects.toThrow();
  await server.close();
});

test("at the deadline the signals of what is still under way abort", async () => {
  const { server, url, entered } = await startGate();
  const under = fetch(`${url}/gate`);
  await entered;
  await server.close({ deadlineMs: 20 });
  expect(await (await under).json()).toEqual({ ok: false });
});

test("a handler's signal aborts when its client goes away", async () => {
  const { server, url, entered } = await startGate();
  const client = new AbortController();
  const under = fetch(`${url}/gate`, { signal: client.signal });
  const signal = await entered;
  client.abort();
  await expect(under).rejects.toThrow();
  if (!signal.aborted) await once(signal, "abort");
  expect(signal.aborted).toBe(true);
  await server.close({ deadlineMs: 1_000 });
});

test("a stream of events carries ids, names, several lines and heartbeats, and ends when the server drains", async () => {
  const demo = await startDemo();
  const response = await fetch(`${demo.url}/api/v1/stream`, {
    headers: { "x-api-key": adminKey, "last-event-id": "7" },
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(response.headers.get("x-request-id")).toBeTruthy();
  let received = "";
  let closed: Promise<void> | undefined;
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    received += chunk;
    if (received.includes(": alive")) closed ??= demo.server.close();
  }
  expect(received).toContain('id: 1\nevent: hello\ndata: {"after":"7"}\n\ndata: two\ndata: lines\n\n');
  expect(received.endsWith("retry: 1000\n: the server is shutting down\n\n")).toBe(true);
  await closed;
});

test("a client that does not read its stream is disconnected before it fills the memory", async () => {
  const server = createHttpServer({ log: silentLogger, version: "1", authenticate: () => undefined });
  const sent = Promise.withResolvers<number>();
  server.route({
    method: "GET",
    url: "/flood",
    summary: "Floods",
    public: true,
    responses: { 200: { description: "Events.", contentType: "text/event-stream" } },
    handler: async ({ reply }) => {
      const stream = sse(reply);
      let bytes = 0;
      while (stream.send({ data: "x".repeat(64 * 1024) })) {
        bytes += 64 * 1024;
        await new Promise(setImmediate);
      }
      await stream.ended;
      sent.resolve(bytes);
      return reply;
    },
  });
  const url = new URL(await server.listen({ host: "127.0.0.1", port: 0 }));
  const socket = connect(Number(url.port), "127.0.0.1", () => socket.write("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"));
  socket.on("error", () => {});
  socket.pause();
  expect(await sent.promise).toBeLessThan(64 * 1024 * 1024);
  socket.destroy();
  await server.close();
});
