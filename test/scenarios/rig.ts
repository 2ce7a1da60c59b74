/** What scenarios do with the program: define, start, wait, and look. */
import { expect } from "vitest";
import { type Body, startTestApp, type TestApp } from "../support/app.ts";

export const definitions = "/api/v1/workflows/definitions";
export const instances = "/api/v1/workflows/instances";

export interface Given {
  workflowId: string;
  steps: object[];
  [field: string]: unknown;
}

export interface Rig {
  program: TestApp;
  /** Stores a definition under its workflowId as its name. */
  define(definition: Given): Promise<Body>;
  start(workflowId: string, input?: unknown): Promise<string>;
  /** Defines, starts, and gives the instance when it has ended. */
  run(definition: Given, input?: unknown): Promise<Body>;
  /** The instance when it has ended. */
  ended(instanceId: string): Promise<Body>;
  /** The instance as soon as `holds` holds of it. */
  until(instanceId: string, holds: (body: Body) => boolean): Promise<Body>;
  history(instanceId: string): Promise<Body[]>;
  /** A request about an instance; gives its answer. */
  ask(instanceId: string, verb: string, body?: object): Promise<{ status: number; body: Body }>;
}

export const task = (stepId: string, more: object = {}) => ({ stepId, type: "TASK", taskId: "echo", ...more });

export async function startRig(tasks: Parameters<typeof startTestApp>[0] & object): Promise<Rig> {
  const program = await startTestApp(tasks);
  const rig: Rig = {
    program,
    async define(definition) {
      const { status, body } = await program.call("POST", definitions, {
        body: { name: definition.workflowId, ...definition },
      });
      expect(status, JSON.stringify(body)).toBeLessThan(300);
      return body;
    },
    async start(workflowId, input = {}) {
      const { body } = await program.call("POST", instances, { body: { definitionId: workflowId, input } });
      return body.instanceId;
    },
    async run(definition, input = {}) {
      await rig.define(definition);
      const { body } = await program.call("POST", `${instances}?wait=PT20S`, {
        body: { definitionId: definition.workflowId, input },
      });
      return body;
    },
    async ended(instanceId) {
      await program.app.engine.waitForEnd({ namespace: "default", instanceId, timeoutMs: 20_000 });
      return (await program.call("GET", `${instances}/${instanceId}`)).body;
    },
    async until(instanceId, holds) {
      for (let tries = 0; tries < 400; tries++) {
        const { body } = await program.call("GET", `${instances}/${instanceId}`);
        if (holds(body)) return body;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      throw new Error(`${instanceId} did not get there`);
    },
    async history(instanceId) {
      return (await program.call("GET", `${instances}/${instanceId}/history?limit=500`)).body.items;
    },
    ask: (instanceId, verb, body = {}) => program.call("POST", `${instances}/${instanceId}/${verb}`, { body }),
  };
  return rig;
}
