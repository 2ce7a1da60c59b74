import { type Builtin, count, duration, expression, task } from "./builtin.ts";

export const callWithDeadline: Builtin = {
  name: "call-with-deadline",
  version: "1.0.0",
  category: "integration",
  description: [
    "Calls a task, with retries, and gives up when the deadline has passed, whatever attempt is under way: it is",
    "cancelled, and the instance fails with DEADLINE_EXCEEDED. A call that fails for good before fails the instance at",
    "once, with its own error. The output is the call's.",
  ].join(" "),
  parameters: {
    type: "object",
    required: ["task"],
    properties: {
      task: task("Is called."),
      taskInput: expression("What it is given.", "input"),
      deadline: duration("How long all attempts together may take.", "PT1M"),
      maxAttempts: count("How often it is tried.", { usual: 10, least: 1, most: 1000 }),
      attemptTimeout: duration("How long one attempt may take.", "PT30S"),
    },
  },
  templateData: {
    name: "Call with a deadline",
    steps: [
      {
        stepId: "race",
        type: "PARALLEL",
        join: "any",
        branches: [
          {
            branchId: "call",
            steps: [
              {
                stepId: "call",
                type: "TASK",
                taskId: "{{task}}",
                input: "{{expression taskInput}}",
                timeout: "{{attemptTimeout}}",
                retryPolicy: { maxAttempts: "{{maxAttempts}}" },
                onFailure: { default: "call-failed" },
              },
              {
                stepId: "call-failed",
                type: "TERMINATE",
                status: "FAILED",
                error: { code: "${error.code}", message: "${error.message}", category: "${error.category}" },
              },
            ],
          },
          { branchId: "deadline", steps: [{ stepId: "deadline", type: "DELAY", delay: "{{deadline}}" }] },
        ],
        transitions: { conditions: [{ condition: "has(output.call)", nextStep: "in-time" }], default: "too-late" },
      },
      { stepId: "in-time", type: "TASK", taskId: "transform", input: { expression: "steps.race.output.call" } },
      {
        stepId: "too-late",
        type: "TERMINATE",
        status: "FAILED",
        error: {
          code: "DEADLINE_EXCEEDED",
          category: "TIMEOUT",
          message: "The call had not ended after {{deadline}}",
        },
      },
    ],
  },
};
