import { type Builtin, count, duration, expression, task, tolerance } from "./builtin.ts";

export const batchOverList: Builtin = {
  name: "batch-over-list",
  version: "1.0.0",
  category: "batch",
  description: [
    "Runs one task for each item of a list, at most maxConcurrency at a time, and gives the results in the order of the",
    "items. As many items as toleratedFailures says may fail; they have null in the list. One more, and the instance fails.",
  ].join(" "),
  parameters: {
    type: "object",
    required: ["task"],
    properties: {
      items: expression("The list.", "input.items"),
      task: task("Does the work for one item."),
      itemInput: expression("What the task is given; it sees item and index.", "item"),
      maxConcurrency: count("Items under way at once.", { usual: 10, least: 1, most: 1000 }),
      toleratedFailures: tolerance,
      maxAttempts: count("How often each item is tried.", { usual: 3, least: 1, most: 1000 }),
      timeout: duration("The longest that one try may take.", "PT30S"),
    },
  },
  templateData: {
    name: "Batch over a list",
    steps: [
      {
        stepId: "batch",
        type: "MAP",
        items: "{{expression items}}",
        maxConcurrency: "{{maxConcurrency}}",
        toleratedFailures: "{{toleratedFailures}}",
        steps: [
          {
            stepId: "work",
            type: "TASK",
            taskId: "{{task}}",
            input: "{{expression itemInput}}",
            retryPolicy: { maxAttempts: "{{maxAttempts}}" },
            timeout: "{{timeout}}",
          },
        ],
      },
    ],
  },
};
