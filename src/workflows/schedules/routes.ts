/** `/api/v1/schedules`. Each route reads by the contract, calls one operation and answers. */
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import * as operations from "./operations.ts";
import { changedSettings, settingsOfRequest } from "./request.ts";
import { addScheduleBackfillRoutes } from "./routes_backfills.ts";
import { base, notFound, read, type Schedules, tags, write } from "./routes_common.ts";
import { addScheduleReadRoutes } from "./routes_read.ts";

const faults = "The schedule has faults; `errors` lists all of them.";

export function addScheduleRoutes(http: HttpServer, schedules: Schedules): void {
  const { db, engine } = schedules;
  const post = engine.postSchedule;

  http.route({
    method: "POST",
    url: base,
    summary: "Create a schedule",
    tags,
    operationId: "createSchedule",
    body: contract.createRequest,
    yaml: true,
    permission: write,
    responses: { 201: contract.scheduleResponse, 400: faults, 409: "Another schedule has this name." },
    async handler({ body: { paused, ...body }, namespace, caller, reply }) {
      const settings = settingsOfRequest(body);
      const what = { namespace, settings, createdBy: caller.id, post, ...(paused === undefined ? {} : { paused }) };
      const view = await db.transaction((tx) => operations.createSchedule(tx, what));
      engine.wakeSchedule(view.id);
      reply.code(201).header("location", `${base}/${view.id}`);
      return view;
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List schedules, newest first",
    tags,
    operationId: "listSchedules",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query: { cursor, ...filter }, namespace }) {
      const before = idOfCursor(cursor);
      const found = { ...filter, namespace, ...(before === undefined ? {} : { before }) };
      const { items, next } = await operations.listSchedules(db, found);
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get a schedule by its id or its name",
    tags,
    operationId: "getSchedule",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.scheduleResponse, 404: notFound },
    handler: ({ params, namespace }) => operations.getSchedule(db, { namespace, ref: params.id }),
  });

  http.route({
    method: "PUT",
    url: `${base}/:id`,
    summary: "Replace a schedule's settings",
    description: "Times that were planned before are still fired. Whether it is paused stays.",
    tags,
    operationId: "replaceSchedule",
    params: contract.reference,
    body: contract.replaceRequest,
    yaml: true,
    permission: write,
    responses: {
      200: contract.scheduleResponse,
      400: faults,
      404: notFound,
      409: "The name is taken, or the version another.",
    },
    async handler({ params, body: { ifVersion, ...body }, namespace }) {
      const settings = settingsOfRequest(body);
      const what = { namespace, ref: params.id, ifVersion, post, change: () => settings };
      return wake(await db.transaction((tx) => operations.changeSchedule(tx, what)));
    },
  });

  http.route({
    method: "PATCH",
    url: `${base}/:id`,
    summary: "Change some of a schedule's settings",
    description: "Times that were planned before are still fired.",
    tags,
    operationId: "changeSchedule",
    params: contract.reference,
    body: contract.changeRequest,
    yaml: true,
    permission: write,
    responses: {
      200: contract.scheduleResponse,
      400: faults,
      404: notFound,
      409: "The name is taken, or the version another.",
    },
    async handler({ params, body: { ifVersion, ...body }, namespace }) {
      const change = (before: Parameters<typeof changedSettings>[0]) => changedSettings(before, body);
      const what = { namespace, ref: params.id, ifVersion, post, change };
      return wake(await db.transaction((tx) => operations.changeSchedule(tx, what)));
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/pause`,
    summary: "Pause a schedule",
    tags,
    operationId: "pauseSchedule",
    params: contract.reference,
    permission: write,
    responses: { 200: contract.scheduleResponse, 404: notFound },
    handler: async ({ params, namespace }) =>
      wake(await db.transaction((tx) => operations.pauseSchedule(tx, { namespace, ref: params.id, post }))),
  });

  http.route({
    method: "POST",
    url: `${base}/:id/resume`,
    summary: "Resume a schedule",
    description: "Without catching up, the times since the pause are recorded as skipped.",
    tags,
    operationId: "resumeSchedule",
    params: contract.reference,
    body: contract.resumeRequest.optional(),
    permission: write,
    responses: { 200: contract.scheduleResponse, 404: notFound },
    async handler({ params, body, namespace }) {
      const what = { namespace, ref: params.id, catchUp: body?.catchUp ?? false, post };
      return wake(await db.transaction((tx) => operations.resumeSchedule(tx, what)));
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/trigger`,
    summary: "Fire a schedule now, paused or not",
    tags,
    operationId: "triggerSchedule",
    params: contract.reference,
    body: contract.triggerRequest.optional(),
    permission: write,
    responses: { 202: contract.triggeredResponse, 404: notFound },
    async handler({ params, body, namespace, caller }) {
      const what = { namespace, ref: params.id, overlap: body?.overlapPolicy, by: caller.id, post };
      const triggered = await db.transaction((tx) => operations.triggerSchedule(tx, what));
      engine.wakeSchedule(triggered.scheduleId);
      return triggered;
    },
  });

  http.route({
    method: "DELETE",
    url: `${base}/:id`,
    summary: "Delete a schedule",
    description: "Instances that it started go on.",
    tags,
    operationId: "deleteSchedule",
    params: contract.reference,
    permission: write,
    responses: { 204: "It is gone.", 404: notFound },
    async handler({ params, namespace }) {
      const id = await db.transaction((tx) => operations.deleteSchedule(tx, { namespace, ref: params.id, post }));
      engine.wakeSchedule(id);
    },
  });

  addScheduleReadRoutes(http, schedules);
  addScheduleBackfillRoutes(http, schedules);

  function wake<View extends { id: string }>(view: View): View {
    engine.wakeSchedule(view.id);
    return view;
  }
}
