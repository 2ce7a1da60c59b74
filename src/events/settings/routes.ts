/** `/api/v1/events/settings`: how a namespace checks its events. */
import { z } from "zod";
import type { Database } from "../../foundation/database/index.ts";
import type { HttpServer } from "../../foundation/http/index.ts";
import { type ValidationMode, validationModes } from "./model.ts";
import * as queries from "./queries.ts";

const url = "/api/v1/events/settings";
const tags = ["Events"];

const validation = z
  .enum(validationModes)
  .describe(
    "open: events without a definition pass, others must fit it. strict: events without a definition are refused too. " +
      "lenient: what would be refused becomes a dead letter.",
  );
const settingsRequest = z
  .object({ validation })
  .meta({ id: "EventSettingsChange", examples: [{ validation: "strict" }] });
const settingsResponse = z
  .object({
    validation,
    updatedAt: z.iso.datetime({ precision: 3 }).optional().describe("Absent: never set."),
    updatedBy: z.string().optional(),
  })
  .meta({ id: "EventSettings" });

export function addEventSettingsRoutes(http: HttpServer, { db }: { db: Database }): void {
  http.route({
    method: "GET",
    url,
    summary: "Get how the namespace checks its events",
    tags,
    operationId: "getEventSettings",
    permission: "events:read",
    responses: { 200: settingsResponse },
    async handler({ namespace }) {
      const [row] = await db.query<queries.SettingsRow>(queries.readEventSettings, [namespace]);
      return row === undefined ? { validation: "open" satisfies ValidationMode } : viewOf(row);
    },
  });

  http.route({
    method: "PUT",
    url,
    summary: "Set how the namespace checks its events",
    description: "It holds for every event that is published after the answer, on every node.",
    tags,
    operationId: "setEventSettings",
    body: settingsRequest,
    permission: "events:write",
    responses: { 200: settingsResponse },
    async handler({ body, namespace, caller }) {
      const values = [namespace, body.validation, caller.id];
      const [row] = await db.query<queries.SettingsRow>(queries.saveEventSettings, values);
      return viewOf(row!);
    },
  });
}

function viewOf({ validation: mode, updatedAt, updatedBy }: queries.SettingsRow) {
  return { validation: mode, updatedAt, updatedBy: updatedBy ?? undefined };
}
