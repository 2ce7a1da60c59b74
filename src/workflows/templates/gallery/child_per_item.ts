import { type Builtin, count, expression, tolerance } from "./builtin.ts";

export const childPerItem: Builtin = {
  name: "child-per-item",
  version: "1.0.0",
  category: "batch",
  description: [
    "Runs another workflow once for each item of a list, as a child with a history of its own, and gives the children's",
    "outputs in the order of the items. For items that need several steps, waits or compensation of their own; for",
    "one task per item, batch-over-list is cheaper. Cancelling the instance cancels its children.",
  ].join(" "),
  parameters: {
    type: "object",
    required: ["childWorkflowId"],
    properties: {
      childWorkflowId: {
        type: "string",
        minLength: 1,
        maxLength: 255,
        description: "The workflow that runs for each item.",
        examples: ["order-shipping"],
      },
      childVersion: {
        type: "string",
        minLength: 1,
        maxLength: 50,
        description: "Its version; absent: the latest active when the child begins.",
      },
      items: expression("The list.", "input.items"),
      childInput: expression("What each child is given; it sees item and index.", "item"),
      maxConcurrency: count("Children under way at once.", { usual: 10, least: 1, most: 1000 }),
      toleratedFailures: tolerance,
    },
  },
  templateData: {
    name: "Child per item",
    steps: [
      {
        stepId: "children",
        type: "MAP",
        items: "{{expression items}}",
        maxConcurrency: "{{maxConcurrency}}",
        toleratedFailures: "{{toleratedFailures}}",
        steps: [
          {
            stepId: "child",
            type: "WORKFLOW",
            workflowId: "{{childWorkflowId}}",
            version: "{{childVersion}}",
            input: "{{expression childInput}}",
          },
        ],
      },
    ],
  },
};
