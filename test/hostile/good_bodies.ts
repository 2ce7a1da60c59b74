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

const nobody = "01890000-0000-7000-8000-000000000000";

/** Of subscriptions, dead letters and replays, by the end of the route's path. Nothing listens where they send. */
const ofSubscribers: Readonly<Record<string, readonly unknown[]>> = {
  "/subscriptions": [
    {
      eventPattern: "a.*",
      subscriber: {
        type: "webhook",
        endpoint: "http://localhost:9/hooks",
        headers: { "X-Team": "blue" },
        authentication: { type: "api-key", header: "X-Key", value: "k" },
      },
      filter: "event.payload.n > 1",
      retryPolicy: { maxAttempts: 2, initialDelay: "PT1S", backoffFactor: 2, maxDelay: 5_000, jitter: 0.5 },
      timeout: 100,
      maxConcurrency: 2,
      disableAfter: "P1D",
      description: "Has one of everything",
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      status: "suspended",
    },
    { eventPattern: ">", subscriber: { type: "handler", handler: "h" }, name: "named" },
    {
      eventPattern: "b",
      subscriber: {
        type: "webhook",
        endpoint: "http://localhost:9/",
        authentication: { type: "basic", username: "u", password: "p" },
      },
      disableAfter: null,
    },
  ],
  "/subscriptions/{id}": [
    { description: null, filter: null, eventPattern: "c.>" },
    { subscriber: { type: "webhook", endpoint: "http://localhost:9/other", authentication: null }, maxConcurrency: 1 },
  ],
  "/suspend": [{ reason: "because" }],
  "/enable": [{ replayMissing: true, since: "2026-01-01T00:00:00Z" }, {}],
  "/rotate-secret": [{ overlap: "PT1H" }, { secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", overlap: 0 }],
  "/dead-letters/purge": [{ filter: { status: "resolved", maxAge: "PT1H" } }],
  "/dead-letters/reprocess": [
    { filter: { errorTypes: ["TRANSIENT"], pattern: "a.>", createdAfter: "2026-01-01T00:00:00Z" }, dryRun: true },
    { filter: { subscriberId: "intake", minRetryCount: 1, maxRetryCount: 2 }, batchSize: 5, concurrency: 2 },
    { filter: { eventId: nobody, errorCode: "X", createdBefore: "2030-01-01T00:00:00+02:00" } },
  ],
  "/dead-letters/{id}/reprocess": [{ payload: { n: [1, null, "a"] } }, {}],
  "/dead-letters/{id}/resolve": [{ notes: "By hand" }],
  "/dead-letters/{id}/discard": [{ notes: "Never mind" }],
  "/replays": [
    { eventPattern: "a.*", from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00+01:00", filter: "payload.n == 1" },
    { eventPattern: ">", from: "2026-01-01T00:00:00Z", targets: [nobody], dryRun: true },
  ],
};

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

const eventDefinition = {
  eventId: "Trap",
  name: "Trap",
  description: "Has one of everything",
  pattern: "trap.set",
  version: "1.0.0",
  sourceTypes: ["external", "task"],
  payloadSchema: {
    type: "object",
    required: ["n"],
    properties: { n: { type: "number" }, text: { type: "string", pattern: "^[a-z]*$" } },
  },
  examples: [{ n: 1 }, { n: 2.5, text: "a" }],
  uiMetadata: { icon: "trap", priority: "low", more: [1] },
  status: "active",
};

const event = {
  eventId: "trap-1",
  pattern: "trap.set",
  payload: { n: 1 },
  source: { type: "external", id: "hostile", name: "Hostile" },
  timestamp: "2026-01-31T10:15:00.5+01:00",
  partitionKey: "p",
  metadata: { correlationId: "c", causationId: "d", traceId: "t", userId: "u", tags: { a: [1] }, own: true },
};

const cloudEvent = {
  specversion: "1.0",
  id: "trap-2",
  source: "/hostile",
  type: "trap.set",
  time: "2026-01-31T10:15:00Z",
  subject: "s",
  datacontenttype: "application/json",
  dataschema: "https://example.com/schema",
  partitionkey: "p",
  extension: 5,
  data: { n: 2 },
};

const events = [
  event,
  cloudEvent,
  { ...cloudEvent, id: "trap-3", data: undefined, data_base64: "eyJuIjogM30=" },
  [event, cloudEvent],
  { events: [cloudEvent, { pattern: "a.b" }] },
];

const eventTrigger = {
  name: "trap-trigger",
  definitionId: "double",
  eventPattern: "traps.*.>",
  eventCondition: "payload.n > 1 && has(event.metadata.a)",
  inputMapping: { n: "payload.n", text: "of ${event.type}", deep: { list: ["${payload}"] } },
  correlationKey: "string(payload.n)",
  priority: 5,
  instancePriority: "LOW",
  description: "Has one of everything",
};

const webhook = {
  verification: "secret",
  secret: "a-secret-of-some-length",
  header: "X-Trap",
  queryParameter: "token",
  eventId: "payload.id",
  partitionKey: 'headers["x-key"]',
  headers: ["X-Key", "User-Agent"],
};

const triggers = [
  eventTrigger,
  { name: "trap-hook", kind: "webhook", webhook, eventPattern: "traps.${payload.kind}", definitionId: "double" },
  {
    name: "trap-cancel",
    triggerType: "CANCEL",
    definitionId: "waits",
    eventPattern: "traps.stop",
    correlationKey: "$.c",
  },
  { name: "trap-hand", kind: "manual", definitionId: "double", version: "1.0.0", enabled: false },
];

const triggerVerbs: Readonly<Record<string, readonly unknown[]>> = {
  fire: [{ input: { n: 2 } }, { input: { n: 1 }, idempotencyKey: "k" }, {}],
  test: [
    { event: { pattern: "traps.a.b", payload: { n: 2 }, metadata: { a: 1 }, timestamp: "2026-01-01T00:00:00Z" } },
    { event: {} },
  ],
  "rotate-secret": [{ overlap: "PT1H" }, { secret: "another-secret-of-some-length", overlap: 0 }, {}],
  "{id}": [eventTrigger, { priority: null, eventPattern: "a.>" }, { webhook: { headers: ["A"], partitionKey: "1" } }],
  "workflow-triggers": triggers,
};

/** Called like what exists already, so that routes about one sequence meet them. */
const sequences = [
  {
    name: "Series",
    sequenceId: "double",
    events: [
      { pattern: "go.series", payload: { n: 4 }, metadata: { a: [1] }, partitionKey: "p", waitForInstances: true },
      { pattern: "go.now", payload: { n: 5 }, order: 2, required: false },
    ],
    metadata: { correlationId: "c", causationId: "d", source: "s", tags: ["t"] },
    rollbackStrategy: {
      type: "compensating_events",
      compensatingEvents: [
        { pattern: "go.back", payloadTemplate: { n: "${events[0].payload.n}", why: "${error.message}" } },
      ],
    },
  },
  { name: "Later", sequenceId: "waits", version: "1", start: false, events: [{ pattern: "go.later" }] },
  { name: "Retried", events: [{ pattern: "go.again" }], rollbackStrategy: { type: "retry", maxRetries: 2 } },
  { name: "Given", events: [{ eventId: "nobody" }], rollbackStrategy: { type: "manual" } },
];

const yearly = { cronExpression: "0 30 2 1 1 *", timezone: "Europe/Berlin", startDate: "2190-01-01T00:00:00Z" };
const hostileSchedules = [
  {
    name: "yearly",
    targetId: "double",
    ...yearly,
    jitter: "PT1M",
    overlapPolicy: "queue_all",
    catchUpWindow: 60_000,
    input: { at: "${schedule.plannedAt}", n: [1, "${schedule.localDate}"] },
    correlationId: "${schedule.name}",
    priority: "LOW",
  },
  { name: "rare", targetId: "waits", interval: "P30D", startDate: "2020-01-01T00:00:00Z", paused: true },
];

/** By the last part of their path. */
const ofSchedules: Readonly<Record<string, readonly unknown[]>> = {
  schedules: hostileSchedules,
  "{id}": [
    { ...hostileSchedules[0], paused: undefined },
    { interval: "P2D", description: null, ifVersion: 1 },
    { input: {}, endDate: null },
  ],
  preview: [{ ...yearly, count: 3 }, { interval: 60_000, jitter: 10 }, { executeAt: "2190-01-01T00:00:00+02:00" }],
  resume: [{ catchUp: true }, {}],
  trigger: [{ overlapPolicy: "skip" }, {}],
  backfill: [{ from: "2025-01-01T00:00:00Z", until: "2025-03-01T00:00:00Z", overlapPolicy: "skip" }],
};

/** By the end of the route's path. */
export function goodBodies(template: string): readonly unknown[] {
  if (template.includes("/workflow-triggers"))
    return triggerVerbs[template.slice(template.lastIndexOf("/") + 1)] ?? [{}];
  if (template.includes("/hooks/")) return [{ id: "d-1", kind: "a", n: 1 }];
  if (template.endsWith("/event-definitions"))
    return [eventDefinition, { ...eventDefinition, eventId: "Other", pattern: "other", status: "draft" }];
  if (template.endsWith("/event-definitions/{id}"))
    return [{ name: "Other", description: null, uiMetadata: null, examples: [{ n: 1 }] }, {}];
  if (template.endsWith("/events/settings")) return ["open", "strict", "lenient"].map((validation) => ({ validation }));
  if (template.endsWith("/events")) return events;
  if (template.endsWith("/instantiate")) return uses;
  if (template.endsWith("/templates")) return [trap, { ...trap, name: "second-trap", version: undefined }];
  if (template.endsWith("/templates/{id}")) return [{ description: "Other", category: null, isActive: true }, {}];
  const end = Object.keys(ofSubscribers).find((path) => template.endsWith(path));
  if (end !== undefined && !template.includes("/workflows/")) return ofSubscribers[end]!;
  const last = template.slice(template.lastIndexOf("/") + 1);
  if (template.includes("/schedules") && ofSchedules[last] !== undefined) return ofSchedules[last];
  if (template.includes("/instances/{id}/") && verbs[last] !== undefined) return verbs[last];
  if (last === "bulk") return bulks;
  if (last === "batch") return [starts, [starts[0], { definitionId: "nothing-like-it" }, {}]];
  if (template.endsWith("/instances")) return starts;
  if (template.endsWith("/event-sequences")) return sequences;
  if (template.endsWith("/event-sequences/{id}/skip")) return [{ position: 0 }, {}];
  if (template.endsWith("/events/queue"))
    return [{ maxQueueDepth: 500_000, highWatermark: 400_000 }, { batchSize: 10 }];
  if (template.includes("/definitions"))
    return [workflow, { ...workflow, workflowId: "second-victim", version: "2.1.0" }, nested];
  return [{}];
}
