/** What instances and workflows tell of themselves: why they wait, what was logged, how they did. */
import type { LogFilter } from "../../../engine/index.ts";
import { encodeCursor, type HttpServer, idOfCursor } from "../../../foundation/http/index.ts";
import { isUuid } from "../../../foundation/ids.ts";
import { reference, versionQuery } from "../../contract.ts";
import { instanceReference } from "../contract.ts";
import * as life from "../contract_life.ts";
import { getInstance, type Instances, instanceIdOf, notFound as instanceNotFound } from "../operations.ts";
import { readStatistics } from "../statistics.ts";
import { streamLogs } from "../stream_logs.ts";
import { base, notFound, permissions, tags } from "./shared.ts";

export function addExplainRoutes(http: HttpServer, instances: Instances): void {
  const { engine } = instances;

  http.route({
    method: "GET",
    url: `${base}/:id/why`,
    summary: "Say why an instance is not running",
    description: "One item for each thing that waits, with the rule by which it does. An ended instance has none.",
    tags,
    operationId: "whyInstance",
    params: instanceReference,
    permission: permissions.read,
    responses: { 200: life.whyResponse, 404: notFound },
    async handler({ params, namespace }) {
      const instanceId = instanceIdOf(params.id);
      const items = await engine.why({ namespace, instanceId });
      if (items === undefined) throw instanceNotFound(instanceId);
      return { items };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/logs`,
    summary: "List the lines of an instance's log, oldest first",
    tags,
    operationId: "getInstanceLogs",
    params: instanceReference,
    query: life.logsQuery,
    permission: permissions.read,
    responses: { 200: life.logsResponse, 400: "The cursor is not one of this list.", 404: notFound },
    async handler({ params, query, namespace }) {
      const { limit, cursor, ...given } = query;
      const instanceId = instanceIdOf(params.id);
      const after = idOfCursor(cursor);
      await getInstance(instances, { namespace, instanceId });
      const found = await engine.logs({ ...given, namespace, instanceId, after, limit: limit + 1 });
      const items = found.slice(0, limit);
      return { items, nextCursor: found.length > limit ? encodeCursor(items.at(-1)!.id) : null };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/logs/stream`,
    summary: "Follow the log of an instance",
    description:
      "Server-sent events: `log` (a line; its id is the event's, so that `Last-Event-ID` resumes after it) and, when the " +
      "instance is final, `end`.",
    tags,
    operationId: "streamInstanceLogs",
    params: instanceReference,
    query: life.logsFilter,
    permission: permissions.read,
    responses: {
      200: { description: "Lines until the instance is final.", contentType: "text/event-stream" },
      404: notFound,
    },
    async handler({ params, query, headers, namespace, reply, signal }) {
      const instanceId = instanceIdOf(params.id);
      await getInstance(instances, { namespace, instanceId });
      const filter: Omit<LogFilter, "limit"> = { ...query, namespace, instanceId };
      await streamLogs({ engine, filter: { ...filter, after: logIdOfEvent(headers["last-event-id"]) }, reply, signal });
      return reply;
    },
  });

  http.route({
    method: "GET",
    url: "/api/v1/workflows/definitions/:id/statistics",
    summary: "Count what became of a workflow's instances",
    description:
      "Of one version, by its id or with `version`; by a workflowId alone, of all versions together. Kept as instances " +
      "start and end, so asking costs the same however many there are.",
    tags: ["Definitions"],
    operationId: "getWorkflowStatistics",
    params: reference,
    query: versionQuery,
    permission: permissions.read,
    responses: { 200: life.statisticsResponse, 404: "There is no such definition in this namespace." },
    handler: ({ params, query, namespace }) =>
      readStatistics(instances, { namespace, ref: params.id, version: query.version }),
  });
}

/** What a client sends that is no id of ours began somewhere else: it gets everything. */
function logIdOfEvent(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" && isUuid(header) ? header : undefined;
}
