/** Schedules on several nodes: processes of their own on one database, of which the one that fires is killed. */
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import type { Database } from "../../src/foundation/database/index.ts";
import { statement } from "../../src/foundation/database/index.ts";
import { shardOf } from "../../src/foundation/ids.ts";
import { call, testKey } from "../support/app.ts";
import { type RunningCommand, startCommand } from "../support/command.ts";
import { openTestDatabase } from "../support/database.ts";
import { makeTemporaryDirectory } from "../support/temporary.ts";

vi.setConfig({ testTimeout: 120_000 });

const running: RunningCommand[] = [];
afterEach(async () => {
  for (const command of running.splice(0)) {
    command.child.kill("SIGKILL");
    await command.ended;
  }
});

const readOwner = statement(
  "test.shard_owner",
  `select (n.metadata->>'pid')::int as pid from cluster.shard_leases s join cluster.lanes l on l.lane_id = s.lane_id
     join cluster.node_registrations n on n.node_id = l.node_id
   where s.shard = $1 and l.closed_at is null`,
);
const readFired = statement(
  "test.fired",
  `select o.planned_at as "plannedAt", o.status, o.instance_id as "instanceId", i.input->>'at' as at
   from workflow_orchestrator_service.schedule_occurrences o
   left join workflow_orchestrator_service.workflow_instances i on i.shard = o.shard and i.id = o.instance_id
   where o.schedule_id = $1 order by o.planned_at`,
);
const countStarted = statement(
  "test.started",
  "select count(*)::int as n from workflow_orchestrator_service.workflow_instances where started_by = 'schedule:' || $1::text",
);
const readShards = statement("test.shards", "select shards from cluster.cluster_settings");

async function startNode(
  url: string,
  directory: string,
  name: string,
): Promise<{ command: RunningCommand; api: string }> {
  const env = {
    DATABASE_URL: url,
    MILLRACE_PORT: "0",
    MILLRACE_DATA_DIR: join(directory, name),
    MILLRACE_ADMIN_API_KEY: testKey,
    MILLRACE_EXAMPLES: "false",
    MILLRACE_LEASE_MS: "2000",
  };
  const command = startCommand(["start"], { env });
  running.push(command);
  const out = await command.until(/Ctrl\+C/);
  return { command, api: /API +(http:\/\/\S+)\/api\/v1/.exec(out)![1]! };
}

async function ownerOf(db: Database, id: string): Promise<number | undefined> {
  const [settings] = await db.query<{ shards: number }>(readShards);
  const [owner] = await db.query<{ pid: number }>(readOwner, [shardOf(id, settings!.shards)]);
  return owner?.pid;
}

test("each planned time is fired once, though its home is killed around the firing time, again and again", async () => {
  const { db, url, drop } = await openTestDatabase();
  const directory = await makeTemporaryDirectory("millrace-schedules-");
  try {
    const nodes = [await startNode(url, directory.path, "a"), await startNode(url, directory.path, "b")];
    const ask = (method: string, path: string, body?: object) => call(nodes.at(-1)!.api + path, method, { body });
    const steps = [{ stepId: "echo", type: "TASK", taskId: "log", input: { message: "fired" } }];
    await ask("POST", "/api/v1/workflows/definitions", { workflowId: "fired", name: "Fired", steps });
    const { body } = await ask("POST", "/api/v1/schedules", {
      name: "ticking",
      targetId: "fired",
      interval: "PT1S",
      overlapPolicy: "allow",
      input: { at: "${schedule.plannedAt}" },
    });
    const fired = () =>
      db.query<{ plannedAt: string; status: string; instanceId: string | null; at: string | null }>(readFired, [
        body.id,
      ]);
    const createdAt = Date.parse(body.createdAt as string);

    for (const [name, afterMs] of [
      ["c", -2],
      ["d", 3],
    ] as const) {
      const before = (await fired()).length;
      await vi.waitFor(async () => expect((await fired()).length).toBeGreaterThan(before + 1), {
        timeout: 30_000,
        interval: 50,
      });
      const pid = await ownerOf(db, body.id);
      const owner = nodes.find(({ command }) => command.child.pid === pid)!;
      // Around a planned time: those are whole seconds after the creation.
      const untilTime = 1_000 - ((Date.now() - createdAt) % 1_000) + afterMs;
      await new Promise((resolve) => setTimeout(resolve, untilTime));
      owner.command.child.kill("SIGKILL");
      await owner.command.ended;
      const at = new Date().toISOString();
      await vi.waitFor(
        async () => expect((await fired()).filter((row) => row.plannedAt > at).length).toBeGreaterThan(2),
        {
          timeout: 60_000,
          interval: 100,
        },
      );
      nodes.push(await startNode(url, directory.path, name));
    }
    await ask("POST", `/api/v1/schedules/${body.id}/pause`);

    const rows = await fired();
    // None is missing between the first and the last, and each has an instance of its own, made for it.
    const times = rows.map(({ plannedAt }) => Date.parse(plannedAt));
    expect(times).toEqual(times.map((_, n) => times[0]! + n * 1_000));
    expect(rows.filter(({ status }) => status !== "fired" && status !== "late")).toEqual([]);
    expect(rows.map(({ at }) => at)).toEqual(rows.map(({ plannedAt }) => plannedAt));
    expect(new Set(rows.map(({ instanceId }) => instanceId)).size).toBe(rows.length);
    const [started] = await db.query<{ n: number }>(countStarted, [body.id]);
    expect(started!.n).toBe(rows.length);
    expect(Date.parse(rows[0]!.plannedAt)).toBeGreaterThan(createdAt);
  } finally {
    for (const { child } of running) child.kill("SIGKILL");
    await drop();
    await directory.remove();
  }
});
