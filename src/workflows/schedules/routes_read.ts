/** What is planned, what became of it, and why. */
import { cursorInvalid, encodeCursor, type HttpServer, textOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import { explainSchedule } from "./explain.ts";
import * as looking from "./looking.ts";
import { settingsOfPreview } from "./request.ts";
import { base, notFound, read, type Schedules, tags } from "./routes_common.ts";

export function addScheduleReadRoutes(http: HttpServer, { db }: Schedules): void {
  http.route({
    method: "POST",
    url: `${base}/preview`,
    summary: "The next times of a schedule that is not stored",
    tags,
    operationId: "previewSchedule",
    body: contract.previewRequest,
    permission: read,
    responses: { 200: contract.upcomingResponse, 400: "The times have faults; `errors` lists all of them." },
    handler({ body: { count = 10, ...body } }) {
      return { items: looking.previewTimes(settingsOfPreview(body), count), nextCursor: null };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/next`,
    summary: "The next planned times, whether it is paused or not",
    tags,
    operationId: "listNextTimes",
    params: contract.reference,
    query: contract.nextQuery,
    permission: read,
    responses: { 200: contract.upcomingResponse, 404: notFound },
    async handler({ params, query, namespace }) {
      const items = await looking.nextTimes(db, { namespace, ref: params.id, count: query.count });
      return { items, nextCursor: null };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/occurrences`,
    summary: "What became of its planned times, newest first",
    tags,
    operationId: "listScheduleOccurrences",
    params: contract.reference,
    query: contract.occurrenceQuery,
    permission: read,
    responses: { 200: contract.occurrencePageResponse, 404: notFound },
    async handler({ params, query: { cursor, ...filter }, namespace }) {
      const before = textOfCursor(cursor);
      if (before !== undefined && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(before)) throw cursorInvalid();
      if (before !== undefined && Number.isNaN(Date.parse(before))) throw cursorInvalid();
      const what = { namespace, ref: params.id, ...filter, ...(before === undefined ? {} : { before }) };
      const { items, next } = await looking.listOccurrences(db, what);
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/why`,
    summary: "Why a schedule does what it does now",
    tags,
    operationId: "explainSchedule",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.whyResponse, 404: notFound },
    async handler({ params, namespace }) {
      return { items: await explainSchedule(db, { namespace, ref: params.id }), nextCursor: null };
    },
  });
}
