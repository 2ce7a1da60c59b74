/** Bodies that are right. What goes deepest into a program is a right request with one thing wrong in it. */

const workflow = {
  workflowId: "victim",
  name: "Victim",
  description: "Has one of everything",
  inputSchema: {
    type: "object",
    properties: {
      text: { type: "string", pattern: "^[a-z]*$" },
      n: { type: "number", multipleOf: 0.5 },
      list: { type: "array" },
    },
    additionalProperties: true,
  },
  variables: { total: { type: "number", default: 0 } },
  timeout: "PT1H",
  output: { total: "${variables.total}", said: "said ${input.text}" },
  steps: [
    {
      stepId: "compute",
      type: "TASK",
      taskId: "transform",
      input: { expression: '{"n": has(input.n) ? input.n + 1 : 0}' },
      outputMapping: { total: "output.n * 2" },
      transitions: {
        conditions: [
          { condition: "variables.total > 100", nextStep: "rest" },
          { condition: 'has(input.text) && input.text.matches("^a+$")', nextStep: "wait" },
        ],
        default: "echo",
      },
    },
    { stepId: "rest", type: "DELAY", delay: "PT0.1S", transitions: { default: "echo" } },
    {
      stepId: "wait",
      type: "EVENT_WAIT",
      eventPattern: "go.*",
      eventCondition: "event.payload.n == input.n",
      eventPayloadMapping: { total: "payload.n" },
      eventTimeout: { duration: 100, timeoutHandlerStepId: "echo" },
      transitions: { default: "echo" },
    },
    {
      stepId: "echo",
      type: "TASK",
      taskId: "echo",
      input: { all: "${input}", text: "total: ${variables.total}" },
      retryPolicy: { maxAttempts: 2, initialInterval: 10, maxInterval: 20, backoffMultiplier: 1.5, jitter: 0.2 },
      timeout: 1_000,
      transitions: { default: "end" },
    },
    { stepId: "end", type: "TASK", taskId: "fail", input: { code: "ENDED", message: "Ended on purpose" } },
  ],
  compensationSteps: [
    {
      stepId: "undo",
      compensationFor: "echo",
      type: "TASK",
      taskId: "echo",
      input: { of: "${originalOutput}" },
      condition: "true",
    },
  ],
};

const starts = [
  { definitionId: "double", input: { any: "thing" } },
  { definitionId: "victim", input: { text: "aaa", n: 4 } },
  { definitionId: "victim", input: { n: 60 }, correlationId: "c", priority: "HIGH" },
  { definitionId: "waits", version: "1.0.0", input: {}, idempotencyKey: "attack", priority: 3 },
];

/** By the end of the route's path. */
export function goodBodies(template: string): readonly unknown[] {
  if (template.endsWith("/signal"))
    return [
      { type: "go.now", payload: { n: 4 } },
      { type: "a.b", idempotencyKey: "k" },
    ];
  if (template.endsWith("/cancel")) return [{ reason: "because" }, { reason: "because", compensate: false }];
  if (template.endsWith("/instances")) return starts;
  if (template.includes("/definitions"))
    return [workflow, { ...workflow, workflowId: "second-victim", version: "2.1.0" }];
  return [{}];
}
