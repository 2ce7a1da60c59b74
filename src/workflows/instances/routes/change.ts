/** What is done to one instance. */
import type { Json, LifeAnswer, LifeRequest } from "../../../engine/index.ts";
import type { HttpServer } from "../../../foundation/http/index.ts";
import * as contract from "../contract.ts";
import * as life from "../contract_life.ts";
import { type Instances, instanceIdOf, migrateInstance, restartInstance } from "../operations.ts";
import { idempotencyKeyOf, priorityOf } from "../request.ts";
import { base, notFound, permissions, tags } from "./shared.ts";

export function addChangeRoutes(http: HttpServer, instances: Instances): void {
  const { engine } = instances;
  /** What the routes below have in common. */
  const change = { method: "POST", tags, params: contract.instanceReference } as const;
  const control = { ...change, permission: permissions.control } as const;

  http.route({
    method: "POST",
    url: `${base}/:id/signal`,
    summary: "Send a signal to an instance",
    description: "A signal that comes before its wait is kept; each one fulfils one wait.",
    tags,
    operationId: "signalInstance",
    params: contract.instanceReference,
    body: contract.signalRequest,
    yaml: true,
    permission: permissions.signal,
    responses: { 202: contract.signalResponse, 404: notFound, 409: "The instance has ended." },
    async handler({ params, body, headers, namespace }) {
      const instanceId = instanceIdOf(params.id);
      const payload = (body.payload ?? null) as Json;
      const idempotencyKey = idempotencyKeyOf(body, headers);
      return await engine.signal({ namespace, instanceId, type: body.type, payload, idempotencyKey });
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/cancel`,
    summary: "Cancel an instance",
    description: "Running handlers are told to stop; then the compensation steps run, unless `compensate` is false.",
    tags,
    operationId: "cancelInstance",
    params: contract.instanceReference,
    body: contract.cancelRequest,
    yaml: true,
    permission: permissions.cancel,
    responses: { 200: contract.cancelResponse, 404: notFound, 409: "The instance has ended." },
    async handler({ params, body, namespace, caller }) {
      const instanceId = instanceIdOf(params.id);
      return await engine.cancel({ namespace, instanceId, ...body, requestedBy: caller.id });
    },
  });

  const plain = {
    pause: {
      summary: "Pause an instance",
      description: "Steps under way end and are recorded; nothing new begins, and timers that come due are held.",
      conflict: "The instance is paused already, or has ended.",
    },
    resume: {
      summary: "Let a paused instance go on",
      description: "Timers that came due meanwhile take effect now.",
      conflict: "The instance is not paused.",
    },
    retry: {
      summary: "Let a failed instance go on",
      description: "What failed, and what was cancelled with it, begins again; what had completed keeps its results.",
      conflict: "The instance has not failed, or its compensation has run.",
    },
  } as const;
  for (const verb of ["pause", "resume", "retry"] as const) {
    const { conflict, ...words } = plain[verb];
    http.route({
      ...control,
      ...words,
      url: `${base}/:id/${verb}`,
      operationId: `${verb}Instance`,
      responses: { 202: life.lifeResponse, 404: notFound, 409: conflict },
      handler: ({ params, namespace, caller }): Promise<LifeAnswer> =>
        engine[verb](lifeRequest({ id: params.id, namespace, caller })),
    });
  }

  http.route({
    ...control,
    url: `${base}/:id/skip`,
    summary: "Pass over a step",
    description: "The step counts as SKIPPED, and its default transition follows.",
    operationId: "skipStep",
    body: life.skipRequest,
    yaml: true,
    responses: {
      202: life.lifeResponse,
      400: "There is no such step.",
      404: notFound,
      409: "The step cannot be skipped, or the instance has ended.",
    },
    handler: ({ params, body, namespace, caller }): Promise<LifeAnswer> =>
      engine.skip({ ...lifeRequest({ id: params.id, namespace, caller }), stepId: body.stepId }),
  });

  http.route({
    ...control,
    url: `${base}/:id/priority`,
    summary: "Change the priority of an instance",
    operationId: "setInstancePriority",
    body: life.priorityRequest,
    yaml: true,
    responses: { 202: life.lifeResponse, 404: notFound, 409: "The instance has ended." },
    handler: ({ params, body, namespace, caller }): Promise<LifeAnswer> =>
      engine.setPriority({
        ...lifeRequest({ id: params.id, namespace, caller }),
        priority: priorityOf(body.priority),
      }),
  });

  http.route({
    ...change,
    url: `${base}/:id/restart`,
    summary: "Start a new instance from a step of this one",
    description:
      "The new instance names this one as its origin. Steps before `fromStepId` are carried over and do not run again; " +
      "`outputs` edits what they gave.",
    operationId: "restartInstance",
    body: life.restartRequest,
    yaml: true,
    permission: permissions.start,
    responses: {
      200: life.restartResponse,
      201: life.restartResponse,
      400: "The input is not valid.",
      404: "There is no such instance in this namespace, or no such version of its workflow.",
      409: "The instance cannot be run again from that step; `errors` says why.",
      422: "The idempotency key was used for another request.",
      429: "Too much is under way; try again later.",
    },
    async handler({ params, body, namespace, caller, reply, headers }) {
      const { fromStepId, version, input, outputs } = body;
      const idempotencyKey = idempotencyKeyOf(body, headers);
      const { created, ...started } = await restartInstance(instances, {
        ...lifeRequest({ id: params.id, namespace, caller }),
        fromStepId,
        version,
        ...(idempotencyKey !== undefined && { idempotencyKey }),
        // The body came as JSON or YAML, so its values are JSON.
        ...(input !== undefined && { input: input as Json }),
        ...(outputs !== undefined && { outputs: outputs as Record<string, Json> }),
      });
      reply.header("location", `${base}/${started.instanceId}`);
      reply.code(created ? 201 : 200);
      return started;
    },
  });

  http.route({
    ...control,
    url: `${base}/:id/migrate`,
    summary: "Let an instance go on with another version of its workflow",
    description: "With `dryRun` nothing is done: the answer says whether it could be, and what is in the way.",
    operationId: "migrateInstance",
    body: life.migrateRequest,
    yaml: true,
    responses: {
      200: life.migrateResponse,
      404: "There is no such instance in this namespace, or no such version of its workflow.",
      409: "Something is in the way (`errors` says what), or the version cannot be used.",
    },
    async handler({ params, body, namespace, caller }) {
      const request = { ...lifeRequest({ id: params.id, namespace, caller }), ...body };
      const { instanceId, status, problems } = await migrateInstance(instances, request);
      return { instanceId, status, possible: problems.length === 0, problems };
    },
  });
}

function lifeRequest(what: { id: string; namespace: string; caller: { id: string } }): LifeRequest {
  return { namespace: what.namespace, instanceId: instanceIdOf(what.id), requestedBy: what.caller.id };
}
