import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import type { AddressJudge, Resolve } from "../../foundation/outbound/index.ts";
import { type TaskContext, TaskError } from "../contract.ts";
import { createHttpRequest, type HttpRequestOptions, type HttpResult } from "./request.ts";

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A loopback server that ends with the test; gives its origin. */
async function serve(listener: RequestListener, host = "127.0.0.1"): Promise<string> {
  const server = createServer(listener);
  await listen(server, host);
  endings.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://${host}:${portOf(server)}`;
}

async function serveTcp(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await listen(server, "127.0.0.1");
  endings.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${portOf(server)}`;
}

function listen(server: Server, host: string): Promise<void> {
  return new Promise((resolve) => server.listen(0, host, resolve));
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

/** Answers with what was received. */
const echo: RequestListener = async (request, response) => {
  const { method, url, headers } = request;
  sendJson(response, { method, url, headers, body: await bodyOf(request) });
};

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function contextOf(signal = new AbortController().signal): TaskContext {
  const quiet = () => {};
  return {
    signal,
    idempotencyKey: "instance/step",
    attempt: 1,
    instanceId: "i",
    stepId: "s",
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  };
}

async function call(input: unknown, options: Partial<HttpRequestOptions> = {}, ctx = contextOf()): Promise<HttpResult> {
  const task = createHttpRequest({ allowPrivateAddresses: true, ...options });
  endings.push(() => task.close());
  return (await task.handler(input, ctx)) as HttpResult;
}

async function failureOf(result: Promise<unknown>): Promise<TaskError> {
  const thrown = await result.then(
    (output) => new Error(`succeeded with ${JSON.stringify(output)}`),
    (error: unknown) => error,
  );
  if (thrown instanceof TaskError) return thrown;
  throw thrown;
}

describe("what is sent", () => {
  test("an object goes as JSON, with the step's idempotency key and the query", async () => {
    const origin = await serve(echo);
    const result = await call({ method: "post", url: `${origin}/a/b?c=1#d`, headers: { "X-N": 5 }, body: { a: [1] } });
    expect(result).toMatchObject({
      status: 200,
      headers: { "content-type": "application/json" },
      body: { method: "POST", url: "/a/b?c=1", body: '{"a":[1]}' },
    });
    expect(result.body).toMatchObject({
      headers: { "content-type": "application/json", "idempotency-key": "instance/step", "x-n": "5" },
    });
  });

  test("text goes as it is, and headers given win over those filled in", async () => {
    const origin = await serve(echo);
    const headers = { "Content-Type": "application/xml", "Idempotency-Key": "mine" };
    const { body } = await call({ method: "PUT", url: origin, headers, body: "<é/>" });
    expect(body).toMatchObject({
      body: "<é/>",
      headers: { "content-type": "application/xml", "idempotency-key": "mine" },
    });
  });
});

describe("what comes back", () => {
  const answer = (headers: Record<string, string>, body: string | Buffer) =>
    serve((_, response) => response.writeHead(200, headers).end(body));

  test.each([
    ["JSON of any flavour", { "content-type": "application/problem+json; charset=utf-8" }, '{"a":1}', { a: 1 }],
    ["an empty body", { "content-type": "application/json" }, "", null],
    ["text", { "content-type": "text/plain" }, "häuser", "häuser"],
    [
      "text of another charset",
      { "content-type": "text/html; charset=iso-8859-1" },
      Buffer.from("h\xe4user", "latin1"),
      "häuser",
    ],
    ["a type nobody named", {}, "plain", "plain"],
    ["gzip", { "content-encoding": "gzip", "content-type": "text/plain" }, gzipSync("packed"), "packed"],
    ["brotli", { "content-encoding": "br", "content-type": "text/plain" }, brotliCompressSync("packed"), "packed"],
  ])("%s is read", async (_, headers, bytes, body) => {
    const result = await call({ url: await answer(headers as Record<string, string>, bytes) });
    expect(result.body).toEqual(body);
    expect(result).not.toHaveProperty("bodyEncoding");
  });

  test("binary data comes as base64, and says so", async () => {
    const bytes = Buffer.from([0x89, 0x50, 0, 0xff]);
    const result = await call({ url: await answer({ "content-type": "image/png" }, bytes) });
    expect(result).toMatchObject({ body: bytes.toString("base64"), bodyEncoding: "base64" });
  });

  test("HEAD has no body, whatever length it announces", async () => {
    const origin = await serve((_, response) => response.writeHead(200, { "content-length": "99999999999" }).end());
    expect(await call({ method: "HEAD", url: origin })).toMatchObject({ status: 200, body: null });
  });

  test("a body that says JSON and is not fails, and shows its beginning", async () => {
    const failure = await failureOf(call({ url: await answer({ "content-type": "application/json" }, "<html>") }));
    expect(failure).toMatchObject({
      code: "RESPONSE_NOT_JSON",
      category: "PERMANENT",
      details: { beginning: "<html>" },
    });
  });

  test("a body over the limit is refused while it comes in, and its connection is given up", async () => {
    const closed = Promise.withResolvers<void>();
    const origin = await serve((request, response) => {
      request.socket.on("close", () => closed.resolve());
      const more = () => {
        while (response.write(Buffer.alloc(65_536)));
        response.once("drain", more);
      };
      more();
    });
    const failure = await failureOf(call({ url: origin }, { maxResponseBytes: 1_000_000 }));
    expect(failure).toMatchObject({ code: "PAYLOAD_TOO_LARGE", category: "PERMANENT" });
    await closed.promise;
  });

  test("a small body that unpacks to a huge one is refused", async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000));
    const failure = await failureOf(
      call({ url: await answer({ "content-encoding": "gzip" }, bomb) }, { maxResponseBytes: 100_000 }),
    );
    expect(failure).toMatchObject({ code: "PAYLOAD_TOO_LARGE", category: "PERMANENT" });
  });

  test("a body that cannot be unpacked fails", async () => {
    const failure = await failureOf(call({ url: await answer({ "content-encoding": "gzip" }, "no gzip") }));
    expect(failure).toMatchObject({ code: "INVALID_RESPONSE", category: "TRANSIENT" });
  });
});

describe("statuses", () => {
  test.each([
    [400, "PERMANENT"],
    [401, "PERMANENT"],
    [404, "PERMANENT"],
    [408, "TRANSIENT"],
    [422, "PERMANENT"],
    [429, "TRANSIENT"],
    [500, "TRANSIENT"],
    [503, "TRANSIENT"],
  ])("%i is %s", async (status, category) => {
    const origin = await serve((_, response) => sendJson(response, { why: "so" }, status));
    const failure = await failureOf(call({ url: `${origin}/x?token=secret` }));
    expect(failure).toMatchObject({ code: `HTTP_${status}`, category, details: { status, body: { why: "so" } } });
    expect(failure.message).toBe(`GET ${origin}/x answered ${status}`);
  });

  test("Retry-After is told in milliseconds, given as seconds or as a date", async () => {
    const values = ["7", new Date(Date.now() + 60_000).toUTCString(), "soon"];
    const origin = await serve((_, response) => response.writeHead(429, { "retry-after": values.shift() }).end());
    const details = async () => (await failureOf(call({ url: origin }))).details as { retryAfterMs?: number };
    expect((await details()).retryAfterMs).toBe(7_000);
    const untilDateMs = (await details()).retryAfterMs;
    expect(untilDateMs).toBeGreaterThan(50_000);
    expect(untilDateMs).toBeLessThanOrEqual(60_000);
    expect(await details()).not.toHaveProperty("retryAfterMs");
  });

  test("a long error body is cut, and one that lies about being JSON is text", async () => {
    const origin = await serve((_, response) =>
      response.writeHead(502, { "content-type": "application/json" }).end(`<html>${"x".repeat(100_000)}`),
    );
    const details = (await failureOf(call({ url: origin }))).details as { body: string; bodyTruncated?: true };
    expect(details.body.startsWith("<html>")).toBe(true);
    expect(details.body.length).toBe(16_384);
    expect(details.bodyTruncated).toBe(true);
  });
});

describe("redirects", () => {
  const redirectTo =
    (location: string, status = 302): RequestListener =>
    (_, response) =>
      response.writeHead(status, { location }).end("moved");

  test.each([
    [301, "POST", "GET", ""],
    [302, "PUT", "PUT", '{"a":1}'],
    [303, "PUT", "GET", ""],
    [307, "POST", "POST", '{"a":1}'],
    [308, "POST", "POST", '{"a":1}'],
  ])("%i makes %s a %s", async (status, method, followed, body) => {
    const origin = await serve((request, response) =>
      request.url === "/end" ? echo(request, response) : redirectTo("/end", status)(request, response),
    );
    const result = await call({ method, url: `${origin}/start`, body: { a: 1 } });
    expect(result.body).toMatchObject({ method: followed, body });
  });

  test("to another origin go no credentials, under whatever header", async () => {
    const target = await serve(echo);
    const origin = await serve(redirectTo(`${target.replace("http://", "http://user:pw@")}/end`));
    const headers = { Authorization: "Bearer s", Cookie: "s", "X-API-Key": "s", Accept: "application/json" };
    const { body } = await call({ url: origin, headers });
    const received = (body as { headers: Record<string, string> }).headers;
    expect(received).toMatchObject({ accept: "application/json", "idempotency-key": "instance/step" });
    for (const name of ["authorization", "cookie", "x-api-key"]) expect(received).not.toHaveProperty(name);
  });

  test("within the origin headers stay", async () => {
    const origin = await serve((request, response) =>
      request.url === "/end" ? echo(request, response) : redirectTo("end")(request, response),
    );
    const { body } = await call({ url: `${origin}/start`, headers: { Authorization: "Bearer s" } });
    expect(body).toMatchObject({ headers: { authorization: "Bearer s" } });
  });

  test("five are followed, a sixth fails", async () => {
    const origin = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      return left === 0 ? sendJson(response, "end") : redirectTo(`/${left - 1}`)(request, response);
    });
    expect(await call({ url: `${origin}/5` })).toMatchObject({ body: "end" });
    expect(await failureOf(call({ url: `${origin}/6` }))).toMatchObject({ code: "TOO_MANY_REDIRECTS" });
  });

  test("only http and https are followed", async () => {
    const origin = await serve(redirectTo("file:///etc/passwd"));
    expect(await failureOf(call({ url: origin }))).toMatchObject({ code: "REDIRECT_REFUSED", category: "PERMANENT" });
  });

  test("each hop is judged: a public server cannot send the request inside", async () => {
    let reached = false;
    const inside = await serve((_, response) => {
      reached = true;
      response.end();
    }, "127.0.0.2");
    const origin = await serve(redirectTo(inside));
    const judge: AddressJudge = (address) => (address === "127.0.0.1" ? undefined : "is inside");
    expect(await failureOf(call({ url: origin }, { judge }))).toMatchObject({
      code: "ADDRESS_REFUSED",
      category: "SECURITY",
    });
    expect(reached).toBe(false);
  });
});

describe("addresses that are not public", () => {
  const refusing = { allowPrivateAddresses: false };

  test("are refused in every spelling, before anything is sent", async () => {
    let connections = 0;
    const authority = await serveTcp(() => {
      connections++;
    });
    const port = authority.split(":")[1];
    const hosts = [
      "127.0.0.1",
      "0x7f.1",
      "2130706433",
      "017700000001",
      "127.1",
      "[::ffff:127.0.0.1]",
      "[::1]",
      "0",
      "①②⑦.0.0.1",
    ];
    for (const host of hosts) {
      const failure = await failureOf(call({ url: `http://${host}:${port}/` }, refusing));
      expect(failure, host).toMatchObject({ code: "ADDRESS_REFUSED", category: "SECURITY" });
    }
    expect(await failureOf(call({ url: `http://localhost:${port}/` }, refusing))).toMatchObject({
      code: "ADDRESS_REFUSED",
    });
    expect(await failureOf(call({ url: `https://127.0.0.1:${port}/` }, refusing))).toMatchObject({
      code: "ADDRESS_REFUSED",
    });
    expect(connections).toBe(0);
  });

  test("are refused when a name leads to them, by the very look-up that connects", async () => {
    let lookups = 0;
    const resolve: Resolve = (_, done) => {
      lookups++;
      done(null, [
        { address: "10.0.0.1", family: 4 },
        { address: "::1", family: 6 },
      ]);
    };
    const failure = await failureOf(call({ url: "http://rebind.example/" }, { ...refusing, resolve }));
    expect(failure).toMatchObject({ code: "ADDRESS_REFUSED", category: "SECURITY" });
    expect(failure.message).toContain("10.0.0.1 is private");
    expect(lookups).toBe(1);
  });

  test("are passed over when a name also has an allowed one", async () => {
    const origin = await serve(echo);
    const resolve: Resolve = (_, done) =>
      done(null, [
        { address: "127.0.0.2", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ]);
    const judge: AddressJudge = (address) => (address === "127.0.0.1" ? undefined : "is inside");
    const url = `http://mixed.example:${new URL(origin).port}/`;
    expect(await call({ url }, { judge, resolve })).toMatchObject({ status: 200 });
  });
});

describe("failures of the connection", () => {
  test("nobody listens: CONNECTION_REFUSED, tried again", async () => {
    const origin = await serve(echo);
    await endings.pop()!();
    expect(await failureOf(call({ url: origin }))).toMatchObject({ code: "CONNECTION_REFUSED", category: "TRANSIENT" });
  });

  test("a name that does not resolve: DNS_FAILED, tried again", async () => {
    const resolve: Resolve = (_, done) =>
      done(Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" }), []);
    expect(await failureOf(call({ url: "http://nowhere.example" }, { resolve }))).toMatchObject({
      code: "DNS_FAILED",
      category: "TRANSIENT",
    });
  });

  test("a connection cut before the answer: CONNECTION_LOST, tried again", async () => {
    const authority = await serveTcp((socket) => socket.once("data", () => socket.destroy()));
    expect(await failureOf(call({ url: `http://${authority}` }))).toMatchObject({
      code: "CONNECTION_LOST",
      category: "TRANSIENT",
    });
  });

  test("a connection cut inside the body is no answer", async () => {
    const authority = await serveTcp((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")),
    );
    expect(await failureOf(call({ url: `http://${authority}` }))).toMatchObject({ category: "TRANSIENT" });
  });

  test("an answer that is not HTTP: INVALID_RESPONSE", async () => {
    const authority = await serveTcp((socket) => socket.once("data", () => socket.end("SSH-2.0-none\r\n")));
    expect(await failureOf(call({ url: `http://${authority}` }))).toMatchObject({ code: "INVALID_RESPONSE" });
  });

  test("a port that speaks no TLS: TLS_ERROR, not tried again", async () => {
    const origin = await serve(echo);
    const url = origin.replace("http:", "https:");
    expect(await failureOf(call({ url }))).toMatchObject({ code: "TLS_ERROR", category: "PERMANENT" });
  });

  test("a server that never answers: TIMEOUT", async () => {
    const origin = await serve(() => {});
    const failure = await failureOf(call({ url: origin, timeout: 50 }));
    expect(failure).toMatchObject({ code: "TIMEOUT", category: "TIMEOUT" });
    expect(failure.message).toContain("within 50 ms");
  });

  test("a body that trickles for ever: TIMEOUT, though something always comes", async () => {
    const origin = await serve((_, response) => {
      const trickle = setInterval(() => response.write("x"), 5);
      response.on("close", () => clearInterval(trickle));
    });
    expect(await failureOf(call({ url: origin, timeout: "PT0.1S" }))).toMatchObject({ code: "TIMEOUT" });
  });

  test("a name whose look-up never ends: TIMEOUT at the request's own time, not the connection's", async () => {
    const failure = await failureOf(call({ url: "http://slow.example", timeout: 50 }, { resolve: () => {} }));
    expect(failure).toMatchObject({ code: "TIMEOUT", category: "TIMEOUT" });
  });

  test("a connection that is not made in its time: CONNECT_TIMEOUT", async () => {
    const failure = await failureOf(call({ url: "http://slow.example" }, { resolve: () => {}, connectTimeoutMs: 50 }));
    expect(failure).toMatchObject({ code: "CONNECT_TIMEOUT", category: "TIMEOUT" });
  });

  test("the step's signal ends the request at once and frees the server", async () => {
    const arrived = Promise.withResolvers<void>();
    const freed = Promise.withResolvers<void>();
    const origin = await serve((request) => {
      request.socket.on("close", () => freed.resolve());
      arrived.resolve();
    });
    const abort = new AbortController();
    const failure = failureOf(call({ url: origin }, {}, contextOf(abort.signal)));
    await arrived.promise;
    abort.abort();
    expect(await failure).toMatchObject({ code: "ABORTED" });
    await freed.promise;
  });
});
