/** A program on which templates are used and what comes of them runs to its end. */
import { expect } from "vitest";
import type { Settings } from "../../src/foundation/settings.ts";
import type { TaskHandler } from "../../src/tasks/index.ts";
import { type Body, startTestApp, type TestApp } from "./app.ts";

const instances = "/api/v1/workflows/instances";

export interface Workshop {
  readonly program: TestApp;
  /** Makes an active definition of a template; its workflowId is the answer. */
  use(template: string, parameters?: object): Promise<string>;
  /** Starts an instance and gives its id. */
  start(workflowId: string, input?: unknown): Promise<string>;
  /** Waits for an instance's end. */
  ended(instanceId: string): Promise<Body>;
  /** Starts an instance and waits for its end. */
  run(workflowId: string, input?: unknown): Promise<Body>;
  /** Waits until an instance waits for an event. */
  waiting(instanceId: string): Promise<void>;
  signal(instanceId: string, type: string, payload?: unknown): Promise<void>;
  define(document: object): Promise<void>;
  stop(): Promise<void>;
}

export async function openWorkshop(
  tasks: Record<string, TaskHandler>,
  settings: Partial<Settings> = {},
): Promise<Workshop> {
  const program = await startTestApp({ tasks, settings });
  let made = 0;
  const post = async (path: string, body: object, status: number): Promise<Body> => {
    const answer = await program.call("POST", path, { body });
    expect(answer.status, JSON.stringify(answer.body)).toBe(status);
    return answer.body;
  };
  const start = async (definitionId: string, input: unknown = {}) =>
    (await post(instances, { definitionId, input }, 201)).instanceId;
  const look = async (instanceId: string) => (await program.call("GET", `${instances}/${instanceId}`)).body;
  const ended = async (instanceId: string) => {
    await expect.poll(async () => (await look(instanceId)).completedAt, { timeout: 20_000 }).toBeDefined();
    return await look(instanceId);
  };
  return {
    program,
    async use(template, parameters) {
      const workflowId = `${template}-${++made}`;
      const definition = await post(
        `/api/v1/workflows/templates/${template}/instantiate`,
        { workflowId, parameters },
        201,
      );
      expect(definition).toMatchObject({ workflowId, status: "active", templateId: template, warnings: [] });
      return workflowId;
    },
    start,
    ended,
    run: async (workflowId, input) => await ended(await start(workflowId, input)),
    async waiting(instanceId) {
      await expect.poll(async () => (await look(instanceId)).status).toBe("WAITING_FOR_EVENT");
    },
    async signal(instanceId, type, payload) {
      await post(`${instances}/${instanceId}/signal`, { type, payload }, 202);
    },
    async define(document) {
      await post("/api/v1/workflows/definitions", document, 201);
    },
    stop: () => program.stop(),
  };
}
