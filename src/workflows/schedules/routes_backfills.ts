/** `/api/v1/schedules/{id}/backfill` and `/backfills`. */
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as backfills from "./backfills.ts";
import * as contract from "./contract.ts";
import { base, notFound, read, type Schedules, tags, write } from "./routes_common.ts";

export function addScheduleBackfillRoutes(http: HttpServer, { db, engine }: Schedules): void {
  const post = engine.postSchedule;
  const noBackfill = "There is no such schedule, or it has no such backfill.";

  http.route({
    method: "POST",
    url: `${base}/:id/backfill`,
    summary: "Fire past times of a schedule that have not run",
    tags,
    operationId: "backfillSchedule",
    params: contract.reference,
    body: contract.backfillRequest,
    permission: write,
    responses: {
      202: contract.backfillResponse,
      400: "The range has no time that could be backfilled, or too many.",
      404: notFound,
      409: "A backfill of the schedule is under way.",
    },
    async handler({ params, body, namespace, caller, reply }) {
      const { from, until, overlapPolicy: overlap = "queue_all" } = body;
      const what = { namespace, ref: params.id, from, until, overlap, requestedBy: caller.id, post };
      const { scheduleId, backfill } = await db.transaction((tx) => backfills.startBackfill(tx, what));
      engine.wakeSchedule(scheduleId);
      reply.header("location", `${base}/${scheduleId}/backfills/${backfill.id}`);
      return backfill;
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/backfills`,
    summary: "List a schedule's backfills, newest first",
    tags,
    operationId: "listScheduleBackfills",
    params: contract.reference,
    query: contract.pageQuery,
    permission: read,
    responses: { 200: contract.backfillPageResponse, 404: notFound },
    async handler({ params, query, namespace }) {
      const what = { namespace, ref: params.id, limit: query.limit, before: idOfCursor(query.cursor) };
      const { items, next } = await backfills.listBackfills(db, what);
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/backfills/:backfillId`,
    summary: "How far a backfill is",
    tags,
    operationId: "getScheduleBackfill",
    params: contract.backfillReference,
    permission: read,
    responses: { 200: contract.backfillResponse, 404: noBackfill },
    handler: ({ params, namespace }) =>
      backfills.getBackfill(db, { namespace, ref: params.id, backfillId: params.backfillId }),
  });

  http.route({
    method: "POST",
    url: `${base}/:id/backfills/:backfillId/cancel`,
    summary: "Cancel a backfill",
    description: "Instances that it started go on.",
    tags,
    operationId: "cancelScheduleBackfill",
    params: contract.backfillReference,
    permission: write,
    responses: { 200: contract.backfillResponse, 404: noBackfill },
    async handler({ params, namespace }) {
      const what = { namespace, ref: params.id, backfillId: params.backfillId, post };
      const { scheduleId, backfill } = await db.transaction((tx) => backfills.cancelBackfill(tx, what));
      engine.wakeSchedule(scheduleId);
      return backfill;
    },
  });
}
