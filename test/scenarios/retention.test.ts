/** How long things are kept, from the document and the settings to the files of the archive. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { startTestApp } from "../support/app.ts";
import { until } from "../support/engine_rig.ts";
import { makeTemporaryDirectory } from "../support/temporary.ts";

const schema = "workflow_orchestrator_service";

test("documents say it, and the settings where they do not: from the API to the archive", async () => {
  const directory = await makeTemporaryDirectory("millrace-kept-");
  const archiveDir = join(directory.path, "archive");
  const app = await startTestApp({ settings: { archiveDir } });
  onTestFinished(async () => {
    await app.stop();
    await directory.remove();
  });
  const steps = [{ stepId: "say", type: "TASK", taskId: "log", input: { message: "hello", level: "debug" } }];
  const executionLog = { level: "debug", retention: "PT1H", metadata: ["input.who"] };
  const document = { workflowId: "brief", name: "Brief", version: "1.0.0", retention: "PT2H", executionLog, steps };
  expect((await app.call("POST", "/api/v1/workflows/definitions", { body: document })).status).toBe(201);
  const { body } = await app.call("POST", "/api/v1/workflows/instances?wait=PT5S", {
    body: { definitionId: "brief", input: { who: "ann" } },
  });
  const id = body.id;
  expect(body.status).toBe("COMPLETED");
  const logs = await app.call("GET", `/api/v1/workflows/instances/${id}/logs`);
  expect(logs.body.items).toMatchObject([{ message: "hello", details: { metadata: { "input.who": "ann" } } }]);
  const [row] = await app.app.db.unnamed(
    `select i.retention_ms, i.expires_at - i.completed_at = interval '2 hours' as kept,
       l.expires_at - l.logged_at = interval '1 hour' as said
     from ${schema}.workflow_instances i join ${schema}.execution_logs l on l.instance_id = i.id where i.id = $1`,
    [id],
  );
  expect(row).toEqual({ retention_ms: 7_200_000, kept: true, said: true });

  await app.app.db.unnamed(
    `update ${schema}.workflow_instances set expires_at = now() - interval '1 minute' where id = $1`,
    [id],
  );
  const again = await startTestApp({ settings: { archiveDir, databaseUrl: app.databaseUrl } });
  onTestFinished(() => again.stop());
  await until(
    () => app.call("GET", `/api/v1/workflows/instances/${id}`),
    ({ status }) => status === 404,
  );
  const [file] = await readdir(archiveDir);
  const line = JSON.parse(gunzipSync(await readFile(join(archiveDir, file!))).toString("utf8"));
  expect(line).toMatchObject({
    instance: { id, workflowId: "brief", input: { who: "ann" } },
    log: [{ message: "hello" }],
  });
});
