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

/** Has steps inside steps, and says one thing in the other dialect. Nothing starts it. */
const nested = {
  workflowId: "nested-victim",
  name: "Nested victim",
  retention: "P1D",
  concurrency: { limit: 5, key: "input.customer" },
  retryPolicy: { maxAttempts: 2 },
  steps: [
    {
      stepId: "fan",
      type: "PARALLEL",
      join: 1,
      rest: "leave",
      branches: [
        {
          branchId: "left",
          steps: [
            {
              stepId: "each",
              type: "MAP",
              items: "input.lines",
              maxConcurrency: 5,
              toleratedFailures: "10%",
              steps: [{ stepId: "line", type: "TASK", taskId: "echo", input: { line: "${item}", at: "${index}" } }],
            },
          ],
        },
        {
          branchId: "right",
          steps: [
            { stepId: "child", type: "WORKFLOW", workflowId: "victim", version: "1.0.0", input: {}, detach: true },
          ],
        },
      ],
      onFailure: { action: "stop", errorHandler: { conditions: [{ errorCode: "X", nextStepId: "sorry" }] } },
      next: [{ nextStepId: "end" }],
    },
    { stepId: "end", type: "TERMINATE", status: "COMPLETED", output: "steps.fan.output" },
    { stepId: "sorry", type: "TERMINATE", status: "FAILED", error: { code: "${error.code}", details: { a: [1] } } },
  ],
};

const starts = [
  { definitionId: "double", input: { any: "thing" } },
  { definitionId: "victim", input: { text: "aaa", n: 4 } },
  { definitionId: "victim", input: { n: 60 }, correlationId: "c", priority: "HIGH" },
  { definitionId: "waits", version: "1.0.0", input: {}, idempotencyKey: "attack", priority: 3 },
  { definitionId: "victim", input: { n: 1 }, variables: { total: 3 } },
];

const trap = {
  name: "trap",
  version: "1.0.0",
  description: "Has one of everything",
  category: "traps",
  isActive: true,
  parameters: {
    type: "object",
    required: ["word"],
    properties: {
      word: { type: "string", minLength: 1, examples: ["a"] },
      list: {
        type: "array",
        items: { type: "object", required: ["id"], properties: { id: { type: "string" }, n: { type: "number" } } },
        default: [{ id: "one", n: 1 }, { id: "two" }],
      },
      when: { type: "string", default: "input.n > 1 && !false" },
      pause: { type: ["string", "integer"], default: "PT0.01S" },
      extra: { type: "object" },
    },
  },
  templateData: {
    name: "{{word}} \\{{word}}",
    steps: [
      { stepId: "first", type: "DELAY", delay: "{{pause}}", transitions: { default: "one" } },
      {
        "{{each item in list}}": {
          stepId: "{{item.id}}",
          type: "TASK",
          taskId: "echo",
          input: {
            n: "{{item.n}}",
            at: "{{index item}}",
            text: "{{word}}: ${input.n} ${'{{word}}'}",
            extra: "{{extra}}",
          },
          transitions: {
            conditions: [{ condition: "{{expression when}} && output.text != {{word}}", nextStep: "last" }],
            default: "last",
          },
        },
      },
      {
        stepId: "last",
        type: "TASK",
        taskId: "transform",
        input: { expression: "[{{word}}, {{list}}]" },
        transitions: { conditions: [{ condition: "false", nextStep: "two" }] },
      },
    ],
  },
};

const uses = [
  { workflowId: "trapped", parameters: { word: "it's ${x}" } },
  {
    workflowId: "victim",
    parameters: { word: "w", list: [{ id: "one" }, { id: "two", n: 2 }], when: "true", pause: 5, extra: { a: "${b}" } },
    name: "Named",
    version: "3.0.0",
    status: "draft",
    dryRun: true,
  },
  { workflowId: "polled", parameters: { done: "output.ok == true", interval: "PT0.1S", maxPolls: 2 } },
];

/** Of few instances, and often only a preview: the attack needs instances that live on. */
const bulks = [
  { action: "cancel", filter: { status: "WAITING_FOR_EVENT,RUNNING", definitionId: "waits" }, dryRun: true },
  { action: "cancel", filter: { correlationId: "c", status: ["RUNNING"] }, reason: "because", compensate: false },
  { action: "restart", filter: { correlationId: "c", startedAfter: "2026-01-01T00:00:00Z" }, fromStepId: "compute" },
  { action: "pause", ids: ["01890000-0000-7000-8000-000000000000", "01890000-0000-7000-8000-000000000001"] },
  { action: "retry", filter: { status: "FAILED", startedBefore: "2030-01-01T00:00:00+02:00" }, dryRun: true },
  { action: "priority", priority: "LOW", filter: { correlationId: "c" } },
  { action: "skip", stepId: "wait", filter: { parentInstanceId: "01890000-0000-7000-8000-000000000000" } },
];

/** Of routes about one instance, by the last part of their path. */
const verbs: Readonly<Record<string, readonly unknown[]>> = {
  signal: [
    { type: "go.now", payload: { n: 4 } },
    { type: "a.b", idempotencyKey: "k" },
  ],
  cancel: [{ reason: "because" }, { reason: "because", compensate: false }],
  restart: [
    { fromStepId: "only" },
    { fromStepId: "only", input: { n: 2 } },
    { fromStepId: "echo", outputs: { compute: { n: 3 } } },
  ],
  skip: [{ stepId: "wait" }, { stepId: "only" }, { stepId: "echo" }],
  priority: [{ priority: 1 }, { priority: "CRITICAL" }],
  migrate: [{ version: "1.0.0" }, { version: "1.0.0", dryRun: true }, { version: "2.1.0", dryRun: true }],
};

/** By the end of the route's path. */
export function goodBodies(template: string): readonly unknown[] {
  if (template.endsWith("/instantiate")) return uses;
  if (template.endsWith("/templates")) return [trap, { ...trap, name: "second-trap", version: undefined }];
  if (template.endsWith("/templates/{id}")) return [{ description: "Other", category: null, isActive: true }, {}];
  const last = template.slice(template.lastIndexOf("/") + 1);
  if (template.includes("/instances/{id}/") && verbs[last] !== undefined) return verbs[last];
  if (last === "bulk") return bulks;
  if (last === "batch") return [starts, [starts[0], { definitionId: "nothing-like-it" }, {}]];
  if (template.endsWith("/instances")) return starts;
  if (template.includes("/definitions"))
    return [workflow, { ...workflow, workflowId: "second-victim", version: "2.1.0" }, nested];
  return [{}];
}
