import { type Builtin, count, duration, expression, task } from "./builtin.ts";

export const retryWithFallback: Builtin = {
  name: "retry-with-fallback",
  version: "1.0.0",
  category: "integration",
  description: [
    "Tries a task with growing pauses; when the last attempt has failed, another task takes its place. With fallbackFor,",
    "only errors of these codes or categories lead there, and any other fails the instance. The output is",
    "{ result, fallback }, where fallback says which of the two gave the result.",
  ].join(" "),
  parameters: {
    type: "object",
    required: ["task", "fallbackTask"],
    properties: {
      task: task("Is tried first."),
      taskInput: expression("What it is given.", "input"),
      maxAttempts: count("How often it is tried.", { usual: 5, least: 1, most: 1000 }),
      initialInterval: duration("The pause after the first failure; each one after it is twice as long.", "PT1S"),
      maxInterval: duration("The longest pause.", "PT1M"),
      fallbackTask: task("Takes its place."),
      fallbackInput: expression("What that is given; it sees error.", "{'input': input, 'error': error}"),
      fallbackFor: {
        type: "array",
        maxItems: 100,
        items: { type: "string", minLength: 1, maxLength: 255 },
        description: "Error codes or categories for which there is a fallback; empty: for all.",
        default: [],
      },
    },
  },
  templateData: {
    name: "Retry with fallback",
    variables: {
      result: { type: "any", default: null },
      fallback: { type: "boolean", default: false, description: "Whether the fallback gave the result." },
    },
    steps: [
      {
        stepId: "try",
        type: "TASK",
        taskId: "{{task}}",
        input: "{{expression taskInput}}",
        retryPolicy: {
          maxAttempts: "{{maxAttempts}}",
          initialInterval: "{{initialInterval}}",
          maxInterval: "{{maxInterval}}",
        },
        outputMapping: { result: "output" },
        onFailure: {
          conditions: [
            {
              condition:
                "size({{fallbackFor}}) == 0 || error.code in {{fallbackFor}} || error.category in {{fallbackFor}}",
              nextStep: "fall-back",
            },
          ],
        },
      },
      {
        stepId: "fall-back",
        type: "TASK",
        taskId: "{{fallbackTask}}",
        input: "{{expression fallbackInput}}",
        outputMapping: { result: "output", fallback: "true" },
      },
    ],
    output: { result: "${variables.result}", fallback: "${variables.fallback}" },
  },
};
