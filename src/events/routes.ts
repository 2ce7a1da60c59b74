/** What people ask about events, and how events come in over HTTP. */
import type { Engine } from "../engine/index.ts";
import type { Database } from "../foundation/database/index.ts";
import type { HttpServer } from "../foundation/http/index.ts";
import { addEventDefinitionRoutes } from "./definitions/routes.ts";
import type { Intake } from "./intake/operations.ts";
import { addIntakeRoutes } from "./intake/routes.ts";
import { addEventSettingsRoutes } from "./settings/routes.ts";
import { addEventViewRoutes } from "./views/routes.ts";

export function addEventRoutes(http: HttpServer, parts: { db: Database; engine: Engine; intake: Intake }): void {
  const { db, engine, intake } = parts;
  addEventDefinitionRoutes(http, { db });
  addEventSettingsRoutes(http, { db });
  addIntakeRoutes(http, intake);
  addEventViewRoutes(http, { db, engine });
}
