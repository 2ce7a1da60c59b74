/** Programs whose instances wait for an event, fail, or are acted on in great number; for the tests of bulk operations. */
import { expect, vi } from "vitest";
import { TaskError } from "../../src/tasks/index.ts";
import { type Answer, type CallOptions, startTestApp, type TestApp } from "./app.ts";
import { type InstanceCalls, instanceCalls, instancesPath } from "./instances.ts";

export const bulkPath = `${instancesPath}/bulk`;
export const bulkTable = "workflow_orchestrator_service.bulk_operations";

export interface BulkRig {
  program: TestApp;
  calls: InstanceCalls;
  /** Starts some that wait for an event, and gives their ids, the newest first. */
  startSome(count: number, correlationId: string): Promise<string[]>;
  /** How many instances of a correlation have each status. */
  statusesOf(correlationId: string): Promise<Record<string, number>>;
  statusesBecome(correlationId: string, expected: Record<string, number>): Promise<void>;
  bulk(body: unknown, options?: CallOptions): Promise<Answer>;
  /** The id of an operation that is accepted. */
  accepted(body: object): Promise<string>;
  progress(id: string): Promise<Answer["body"]>;
  /** The operation, once it is completed. */
  completed(id: string): Promise<Answer["body"]>;
}

/** `refuses` says whether the steps of the workflow `refused` fail. */
export async function createBulkRig({ refuses = () => true }: { refuses?: () => boolean } = {}): Promise<BulkRig> {
  const program = await startTestApp({
    tasks: {
      echo: (input) => input,
      refuse() {
        if (refuses()) throw new TaskError({ code: "NOT_YET", category: "BUSINESS", message: "Not yet" });
        return "at last";
      },
    },
  });
  const calls = instanceCalls(program);
  await calls.define({
    workflowId: "waiting",
    name: "Waiting",
    steps: [
      { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go", transitions: { default: "last" } },
      { stepId: "last", type: "TASK", taskId: "echo", input: "'done'" },
    ],
  });
  const only = { stepId: "only", type: "TASK", taskId: "refuse" };
  await calls.define({ workflowId: "refused", name: "Refused", steps: [only] });

  async function statusesOf(correlationId: string): Promise<Record<string, number>> {
    const { body } = await program.call("GET", `${instancesPath}?correlationId=${correlationId}&limit=500`);
    const counts: Record<string, number> = {};
    for (const { status } of body.items) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }

  const statusesBecome = (correlationId: string, expected: Record<string, number>) =>
    vi.waitFor(async () => expect(await statusesOf(correlationId)).toEqual(expected), {
      timeout: 15_000,
      interval: 50,
    });

  const bulk = (body: unknown, options: CallOptions = {}) => program.call("POST", bulkPath, { ...options, body });
  const progress = async (id: string) => (await program.call("GET", `${bulkPath}/${id}`)).body;

  return {
    program,
    calls,
    statusesOf,
    statusesBecome,
    bulk,
    progress,
    async startSome(count, correlationId) {
      const starts = Array.from({ length: count }, () => ({ definitionId: "waiting", correlationId }));
      const { body } = await program.call("POST", `${instancesPath}/batch`, { body: starts });
      const ids = body.items.map(({ instanceId }) => instanceId);
      await statusesBecome(correlationId, { WAITING_FOR_EVENT: count });
      return ids.sort().reverse();
    },
    async accepted(body) {
      const answer = await bulk(body);
      expect(answer.status, JSON.stringify(answer.body)).toBe(202);
      return String(answer.body.operationId);
    },
    completed: (id) =>
      vi.waitFor(
        async () => {
          const body = await progress(id);
          expect(body.status).toBe("completed");
          return body;
        },
        { timeout: 15_000, interval: 20 },
      ),
  };
}
