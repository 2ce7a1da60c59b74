import { type Builtin, count } from "./builtin.ts";

export const saga: Builtin = {
  name: "saga",
  version: "1.0.0",
  category: "transaction",
  description: [
    "Runs actions one after the other; when one fails for good, or the instance is cancelled, the actions that had",
    "completed are undone in reverse order. Each action has its own step of the action's name, so later actions read",
    'what earlier ones gave as steps["name"].output. The output is the list of { action, output }.',
  ].join(" "),
  parameters: {
    type: "object",
    required: ["actions"],
    properties: {
      actions: {
        type: "array",
        minItems: 1,
        maxItems: 100,
        description: "The actions, in order.",
        items: {
          type: "object",
          required: ["name", "task"],
          additionalProperties: false,
          properties: {
            name: { type: "string", pattern: "^[A-Za-z0-9_.-]{1,200}$", description: "The stepId; unique." },
            task: { type: "string", minLength: 1, maxLength: 255, description: "A taskId." },
            input: {
              type: "string",
              minLength: 1,
              description: "What the task is given. An expression; absent: the instance's input.",
            },
            undo: {
              type: "string",
              minLength: 1,
              maxLength: 255,
              description: "The taskId of what undoes it. Absent: there is nothing to undo.",
            },
            undoInput: {
              type: "string",
              minLength: 1,
              description:
                "What the undoing task is given; it sees originalInput and originalOutput. An expression; absent: both, and why it is undone.",
            },
          },
        },
        examples: [
          [
            { name: "reserve", task: "reserve-stock", undo: "release-stock" },
            { name: "charge", task: "charge-card", undo: "refund-card", undoInput: "originalOutput" },
            { name: "ship", task: "ship-parcel", input: "{'reservation': steps.reserve.output}" },
          ],
        ],
      },
      maxAttempts: count("How often each action is tried.", { usual: 3, least: 1, most: 1000 }),
    },
  },
  templateData: {
    name: "Saga",
    steps: [
      {
        "{{each action in actions}}": {
          stepId: "{{action.name}}",
          type: "TASK",
          taskId: "{{action.task}}",
          input: "{{expression action.input}}",
          retryPolicy: { maxAttempts: "{{maxAttempts}}" },
          transitions: { default: "{{next action.name}}" },
        },
      },
    ],
    compensationSteps: [
      {
        "{{each action in actions where undo}}": {
          stepId: "undo-{{action.name}}",
          compensationFor: "{{action.name}}",
          type: "TASK",
          taskId: "{{action.undo}}",
          input: "{{expression action.undoInput}}",
        },
      },
    ],
    output: [
      {
        "{{each action in actions}}": {
          action: "{{action.name}}",
          output: "${steps[{{action.name}}].output}",
        },
      },
    ],
  },
};
