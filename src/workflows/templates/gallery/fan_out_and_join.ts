import { type Builtin, duration } from "./builtin.ts";

export const fanOutAndJoin: Builtin = {
  name: "fan-out-and-join",
  version: "1.0.0",
  category: "control-flow",
  description: [
    "Runs tasks side by side and goes on when enough of them have completed: all, any, or a number. The rest is",
    "cancelled, or left to end by itself. The output is an object of the branches' outputs by name.",
  ].join(" "),
  parameters: {
    type: "object",
    required: ["branches"],
    properties: {
      branches: {
        type: "array",
        minItems: 1,
        maxItems: 1000,
        description: "What runs side by side.",
        items: {
          type: "object",
          required: ["name", "task"],
          additionalProperties: false,
          properties: {
            name: { type: "string", pattern: "^[A-Za-z0-9_.-]{1,255}$", description: "Unique; the key of its output." },
            task: { type: "string", minLength: 1, maxLength: 255, description: "A taskId." },
            input: {
              type: "string",
              minLength: 1,
              description: "What the task is given. An expression; absent: the instance's input.",
            },
          },
        },
        examples: [
          [
            { name: "prices", task: "fetch-prices" },
            { name: "stock", task: "fetch-stock", input: "{'sku': input.sku}" },
          ],
        ],
      },
      join: {
        anyOf: [{ enum: ["all", "any"] }, { type: "integer", minimum: 1, maximum: 1000 }],
        description: "How many must complete: all, any (one), or a number.",
        default: "all",
      },
      rest: {
        enum: ["cancel", "leave"],
        description: "What becomes of the others then. Absent: they are cancelled; leave lets them end by themselves.",
      },
      timeout: duration("The longest that all of it may take; absent: no limit."),
    },
  },
  templateData: {
    name: "Fan-out and join",
    steps: [
      {
        stepId: "fan-out",
        type: "PARALLEL",
        branches: [
          {
            "{{each branch in branches}}": {
              branchId: "{{branch.name}}",
              steps: [
                {
                  stepId: "{{branch.name}}",
                  type: "TASK",
                  taskId: "{{branch.task}}",
                  input: "{{expression branch.input}}",
                },
              ],
            },
          },
        ],
        join: "{{join}}",
        rest: "{{rest}}",
        timeout: "{{timeout}}",
      },
    ],
  },
};
