/** What crosses the wire for many instances at once: batches of starts, and operations by filter or by ids. */
import { z } from "zod";
import { partialProblemSchema } from "../../foundation/http/index.ts";
import { bulkActions, bulkStatuses, mostFailuresKept, mostIds } from "./bulk/model.ts";
import { instant, key, listQuery, nextCursor, priority, started, startRequest, status } from "./contract.ts";

export const mostStarts = 10_000;

/** Each start is checked by itself, so that one with a fault does not refuse the others. */
export const batchRequest = z
  .array(z.union([startRequest, z.unknown()]))
  .min(1)
  .max(mostStarts)
  .meta({ description: "Starts. Each is checked by itself: one that is refused does not stop the others." });

export const batchResponse = z
  .object({
    items: z
      .array(z.union([z.object(started), z.object({ problem: partialProblemSchema })]))
      .describe("In the order of the starts. Pointers of a problem begin at its start."),
  })
  .meta({ id: "StartedBatch" });

const { definitionId, correlationId, startedAfter, startedBefore, parentInstanceId } = listQuery.shape;

const bulkFilter = z
  .object({
    status: z
      .union([z.array(status).min(1), z.string().min(1).max(200)])
      .optional()
      .describe("Statuses, as a list or with commas between."),
    definitionId,
    correlationId,
    startedAfter,
    startedBefore,
    parentInstanceId,
  })
  .meta({ id: "InstanceFilter", description: "As the filters of the list; at least one." });

export const bulkRequest = z
  .object({
    action: z.enum(bulkActions),
    filter: bulkFilter.optional().describe("Either this or `ids`."),
    ids: z.array(z.uuid()).min(1).max(mostIds).optional(),
    dryRun: z.boolean().optional().describe("Only counts what would be acted on."),
    reason: z.string().min(1).max(4_096).optional().describe("Of `cancel`."),
    compensate: z.boolean().optional().describe("Of `cancel`: whether compensation steps run. Default true."),
    fromStepId: key.optional().describe("Of `restart`. Absent: the first step of each instance's definition."),
    stepId: key.optional().describe("Of `skip`, which needs it."),
    priority: priority.optional().describe("Of `priority`, which needs it."),
  })
  .meta({ id: "BulkRequest" });

export const bulkPreview = z
  .object({
    matched: z.int().describe("How many instances there are; counted to a million at the most."),
    sample: z.array(z.uuid()).describe("The first ten of them."),
  })
  .meta({ id: "BulkPreview" });

export const bulkAccepted = z.object({ operationId: z.uuid(), matched: z.int() }).meta({ id: "AcceptedBulkOperation" });

const progress = {
  id: z.uuid(),
  action: z.enum(bulkActions),
  status: z.enum(bulkStatuses),
  filter: z.record(z.string(), z.unknown()).optional().describe("As it is applied; absent where ids were given."),
  parameters: z.record(z.string(), z.unknown()),
  requestedBy: z.string(),
  matched: z.int().describe("How many instances there were at the beginning."),
  done: z.int().describe("How many are done with; the sum of the next two."),
  succeeded: z.int(),
  failed: z.int(),
  createdAt: instant,
  completedAt: instant.optional(),
};

export const bulkOperation = z
  .object({
    ...progress,
    failures: z
      .array(z.object({ instanceId: z.uuid(), problem: partialProblemSchema }))
      .describe(`The first ${mostFailuresKept}.`),
  })
  .meta({ id: "BulkOperation" });

export const bulkList = z
  .object({ items: z.array(z.object(progress).meta({ id: "BulkOperationSummary" })), nextCursor })
  .meta({ id: "BulkOperationPage" });

export const bulkReference = z.object({ operationId: key.describe("The operation's id.") });
