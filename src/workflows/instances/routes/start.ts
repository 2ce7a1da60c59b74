/** Starting instances, one or many. */
import { isFinal } from "../../../engine/index.ts";
import type { HttpServer } from "../../../foundation/http/index.ts";
import { startBatch } from "../batch.ts";
import * as contract from "../contract.ts";
import { batchRequest, batchResponse } from "../contract_bulk.ts";
import { type Instances, startInstance } from "../operations.ts";
import { idempotencyKeyOf, startRequestOf, waitMsOf } from "../request.ts";
import { base, permissions, tags } from "./shared.ts";

const batchLimitBytes = 64 * 1024 * 1024;

export function addStartRoutes(http: HttpServer, instances: Instances): void {
  const { engine } = instances;

  http.route({
    method: "POST",
    url: base,
    summary: "Start an instance",
    description: "With an idempotency key the same start again answers what the first one answered.",
    tags,
    operationId: "startInstance",
    query: contract.startQuery,
    body: contract.startRequest,
    yaml: true,
    permission: permissions.start,
    responses: {
      201: contract.startResponse,
      200: contract.startResponse,
      400: "The request, the input by the definition's inputSchema, or a variable by its declaration is not valid.",
      404: "There is no such definition.",
      409: "The definition cannot be started.",
      422: "The idempotency key was used with another input.",
      429: "Too much is under way; try again later.",
    },
    async handler({ body, query, headers, namespace, caller, reply, signal }) {
      const waitMs = waitMsOf(query.wait);
      const idempotencyKey = idempotencyKeyOf(body, headers);
      const request = { ...startRequestOf(body), idempotencyKey, namespace, startedBy: caller.id };
      const answer = await startInstance(instances, request);
      const { created, ...started } = answer;
      reply.code(created ? 201 : 200).header("location", `${base}/${answer.instanceId}`);
      if (waitMs === undefined) return started;
      const what = { namespace, instanceId: answer.instanceId };
      const view = await engine.waitForEnd({ ...what, timeoutMs: waitMs, signal });
      return view !== undefined && isFinal(view.status) ? { ...started, ...view } : started;
    },
  });

  http.route({
    method: "POST",
    url: `${base}/batch`,
    summary: "Start many instances",
    description:
      "Answers in the order of the starts what became of each. Give each its own `idempotencyKey` where the request may " +
      "have to be sent again.",
    tags,
    operationId: "startInstances",
    body: batchRequest,
    bodyLimitBytes: batchLimitBytes,
    permission: permissions.start,
    responses: { 200: batchResponse, 400: "It is no list of 1 to 10,000 starts." },
    async handler({ body, headers, namespace, caller, signal }) {
      const length = headers["content-length"];
      const bytes = length === undefined ? undefined : Number(length);
      return { items: await startBatch(instances, { starts: body, bytes, namespace, startedBy: caller.id, signal }) };
    },
  });
}
