/** `/api/v1/workflow-triggers`. Each route reads by the contract, calls one operation and answers. */
import type { Json } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import type { Instances } from "../instances/operations.ts";
import { idempotencyKeyOf } from "../instances/request.ts";
import * as contract from "./contract.ts";
import { fireTrigger, tryTrigger } from "./fire.ts";
import type { Receiver } from "./hooks/receive.ts";
import { addHookRoute } from "./hooks/routes.ts";
import * as operations from "./operations.ts";
import { changed, fieldsOfBody, sampleOf } from "./request.ts";
import { rotateSecret } from "./rotate.ts";
import type { TriggerSchedules } from "./schedules.ts";

const base = "/api/v1/workflow-triggers";
const tags = ["Triggers"];
const read = "triggers:read";
const write = "triggers:write";
const fire = "triggers:fire";
const notFound = "There is no such trigger in this namespace.";
const faults = "The trigger has faults; `errors` lists all of them.";
const taken = "Another trigger has the name.";

export interface Triggers extends Instances {
  /** Takes in the events that calls of webhooks are. */
  publish: Receiver["publish"];
  /** Without it triggers of kind schedule are refused. */
  schedules?: TriggerSchedules;
}

export function addTriggerRoutes(http: HttpServer, triggers: Triggers): void {
  const { db, engine, publish, schedules } = triggers;

  /** Routers hear of a change at once, and not by their next look. */
  async function save<T>(work: (tx: Db) => Promise<T>): Promise<T> {
    const answer = await db.transaction(work);
    engine.wakeRouters();
    return answer;
  }

  http.route({
    method: "POST",
    url: base,
    summary: "Create a trigger",
    description: "The answer to a webhook's creation has its secret; no other answer has it.",
    tags,
    operationId: "createWorkflowTrigger",
    body: contract.createRequest,
    yaml: true,
    permission: write,
    responses: { 201: contract.createdTriggerResponse, 400: faults, 409: taken },
    async handler({ body: { schedule, input, ...body }, namespace, caller, reply }) {
      const { trigger, ...more } = await save((tx) =>
        operations.createTrigger(
          tx,
          {
            ...fieldsOfBody(body),
            namespace,
            createdBy: caller.id,
            secret: body.webhook?.secret,
            schedule: schedule as { [field: string]: Json } | undefined,
            input: input as Json | undefined,
          },
          schedules,
        ),
      );
      reply.header("location", `${base}/${trigger.id}`);
      return { ...trigger, ...more };
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List triggers, newest first",
    tags,
    operationId: "listWorkflowTriggers",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query: { cursor, ...filter }, namespace }) {
      const { items, next } = await operations.listTriggers(db, { ...filter, namespace, before: idOfCursor(cursor) });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get a trigger by its id or its name",
    tags,
    operationId: "getWorkflowTrigger",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.triggerResponse, 404: notFound },
    handler: ({ params, namespace }) => operations.getTrigger(db, { namespace, ref: params.id }),
  });

  http.route({
    method: "PUT",
    url: `${base}/:id`,
    summary: "Write a trigger anew",
    description: "Its kind, how its calls are verified, its secrets and its schedule stay.",
    tags,
    operationId: "replaceWorkflowTrigger",
    params: contract.reference,
    body: contract.replaceRequest,
    yaml: true,
    permission: write,
    responses: { 200: contract.writtenResponse, 400: faults, 404: notFound, 409: taken },
    async handler({ params, body, namespace }) {
      const { trigger, warnings } = await save((tx) =>
        operations.changeTrigger(tx, { namespace, ref: params.id }, ({ kind }) => fieldsOfBody(body, kind)),
      );
      return { ...trigger, warnings };
    },
  });

  http.route({
    method: "PATCH",
    url: `${base}/:id`,
    summary: "Change some of a trigger",
    tags,
    operationId: "changeWorkflowTrigger",
    params: contract.reference,
    body: contract.changeRequest,
    yaml: true,
    permission: write,
    responses: { 200: contract.writtenResponse, 400: faults, 404: notFound, 409: taken },
    async handler({ params, body, namespace }) {
      const { trigger, warnings } = await save((tx) =>
        operations.changeTrigger(tx, { namespace, ref: params.id }, (before) => changed(before, body)),
      );
      return { ...trigger, warnings };
    },
  });

  for (const [verb, enabled] of [
    ["enable", true],
    ["disable", false],
  ] as const) {
    http.route({
      method: "POST",
      url: `${base}/:id/${verb}`,
      summary: enabled ? "Let a trigger act again" : "Let a trigger take nothing until it is enabled",
      description: "One that is so already stays as it is.",
      tags,
      operationId: `${verb}WorkflowTrigger`,
      params: contract.reference,
      permission: write,
      responses: { 200: contract.triggerResponse, 404: notFound },
      handler: ({ params, namespace }) =>
        save((tx) => operations.enableTrigger(tx, { namespace, ref: params.id, enabled }, schedules)),
    });
  }

  http.route({
    method: "DELETE",
    url: `${base}/:id`,
    summary: "Delete a trigger",
    description: "What it started goes on.",
    tags,
    operationId: "deleteWorkflowTrigger",
    params: contract.reference,
    permission: write,
    responses: { 204: "It is gone.", 404: notFound },
    async handler({ params, namespace }) {
      await save((tx) => operations.deleteTrigger(tx, { namespace, ref: params.id }, schedules));
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/fire`,
    summary: "Start what a trigger starts",
    description:
      "Whatever its pattern and its condition say. With an idempotency key the same again is the same firing.",
    tags,
    operationId: "fireWorkflowTrigger",
    params: contract.reference,
    body: contract.fireRequest.optional(),
    yaml: true,
    permission: fire,
    responses: {
      201: contract.firedResponse,
      200: contract.firedResponse,
      400: "The mapping failed, or the workflow does not accept the input.",
      404: notFound,
      409: "The trigger is disabled or starts nothing, or its workflow cannot be started.",
      422: "The idempotency key was used with another input.",
      429: "Too much is under way; try again later.",
    },
    async handler({ params, body = {}, headers, namespace, caller, reply }) {
      const { created, ...fired } = await fireTrigger(triggers, {
        namespace,
        ref: params.id,
        payload: (body.input === undefined ? {} : body.input) as Json,
        idempotencyKey: idempotencyKeyOf(body, headers),
        startedBy: caller.id,
      });
      reply.code(created ? 201 : 200).header("location", `/api/v1/workflows/instances/${fired.instanceId}`);
      return fired;
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/test`,
    summary: "What a trigger would do with an event",
    description: "Nothing is published and nothing started.",
    tags,
    operationId: "testWorkflowTrigger",
    params: contract.reference,
    body: contract.testRequest,
    yaml: true,
    permission: read,
    responses: { 200: contract.testedResponse, 404: notFound },
    handler: ({ params, body, namespace }) =>
      tryTrigger(triggers, { namespace, ref: params.id, sample: sampleOf(body) }),
  });

  http.route({
    method: "POST",
    url: `${base}/:id/rotate-secret`,
    summary: "Give a webhook a new secret",
    description: "The old ones stay good for `overlap`.",
    tags,
    operationId: "rotateWorkflowTriggerSecret",
    params: contract.reference,
    body: contract.rotateRequest.optional(),
    yaml: true,
    permission: write,
    responses: {
      200: contract.rotatedResponse,
      400: "The secret or the overlap is not valid.",
      404: notFound,
      409: "The trigger is no webhook.",
    },
    handler: ({ params, body = {}, namespace }) =>
      db.transaction((tx) => rotateSecret(tx, { namespace, ref: params.id, ...body })),
  });

  addHookRoute(http, { db, publish });
}
