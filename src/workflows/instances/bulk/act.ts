/** What each action asks of the engine for one instance. */
import type { Engine, LifeRequest } from "../../../engine/index.ts";
import { getInstance, type Instances, instanceIdOf, restartInstance } from "../operations.ts";
import type { BulkAction, BulkParameters } from "./model.ts";

interface Task {
  operation: { id: string; namespace: string; action: BulkAction; parameters: BulkParameters; requestedBy: string };
  instanceId: string;
}

type Act = (instances: Instances, request: LifeRequest, task: Task) => Promise<unknown>;

const plain =
  (verb: "pause" | "resume" | "retry"): Act =>
  ({ engine }: { engine: Engine }, request) =>
    engine[verb](request);

const acts: Readonly<Record<BulkAction, Act>> = {
  pause: plain("pause"),
  resume: plain("resume"),
  retry: plain("retry"),
  cancel: ({ engine }, request, { operation: { id, parameters } }) => {
    const { reason = `Bulk operation ${id}`, compensate } = parameters;
    return engine.cancel({ ...request, reason, compensate });
  },
  // The parameters that an action needs were asked for when the operation was made.
  priority: ({ engine }, request, { operation }) =>
    engine.setPriority({ ...request, priority: operation.parameters.priority! }),
  skip: ({ engine }, request, { operation }) => engine.skip({ ...request, stepId: operation.parameters.stepId! }),
  async restart(instances, request, { operation }) {
    const fromStepId = operation.parameters.fromStepId ?? (await firstStepOf(instances, request));
    // However often a page is repeated, each instance is restarted once.
    const idempotencyKey = `bulk ${operation.id} ${request.instanceId}`;
    await restartInstance(instances, { ...request, fromStepId, idempotencyKey });
  },
};

/** Asks for the operation's action on one instance; what the engine refuses is thrown. */
export async function act(instances: Instances, task: Task): Promise<void> {
  const { namespace, requestedBy, action } = task.operation;
  const request = { namespace, instanceId: instanceIdOf(task.instanceId), requestedBy };
  await acts[action](instances, request, task);
}

async function firstStepOf(instances: Instances, { namespace, instanceId }: LifeRequest): Promise<string> {
  const { workflowDefinitionId } = await getInstance(instances, { namespace, instanceId });
  const { steps } = await instances.load(workflowDefinitionId);
  // A definition has at least one step.
  return steps[0]!.stepId;
}
