import { type Builtin, count, duration, expression } from "./builtin.ts";

export const webhookRelay: Builtin = {
  name: "webhook-relay",
  version: "1.0.0",
  category: "integration",
  description: [
    "Sends what it is given to an address by HTTP, and tries again with growing pauses while the address cannot be reached",
    "or answers 408, 429 or 5xx; any other 4xx fails the instance at once. As the definition of a webhook trigger it relays",
    "every call of the webhook. Every try has the same Idempotency-Key. The output is { status, body } of the answer.",
  ].join(" "),
  parameters: {
    type: "object",
    required: ["url"],
    properties: {
      url: {
        type: "string",
        format: "uri",
        maxLength: 2000,
        description: "Where it is sent to.",
        examples: ["https://example.com/in"],
      },
      method: { enum: ["POST", "PUT", "PATCH"], description: "The request's method.", default: "POST" },
      headers: {
        type: "object",
        additionalProperties: { type: "string" },
        description: "Headers of the request, by name.",
        default: {},
      },
      body: expression("What is sent, as JSON.", "input"),
      maxAttempts: count("How often it is tried.", { usual: 8, least: 1, most: 1000 }),
      initialInterval: duration("The pause after the first failure; each one after it is twice as long.", "PT5S"),
      maxInterval: duration("The longest pause.", "PT1H"),
      timeout: duration("How long one try may take.", "PT30S"),
    },
  },
  templateData: {
    name: "Webhook relay",
    steps: [
      {
        stepId: "relay",
        type: "TASK",
        taskId: "http.request",
        input: {
          method: "{{method}}",
          url: "{{url}}",
          headers: "{{headers}}",
          body: "${ {{expression body}} }",
          timeout: "{{timeout}}",
        },
        timeout: "{{timeout}}",
        retryPolicy: {
          maxAttempts: "{{maxAttempts}}",
          initialInterval: "{{initialInterval}}",
          maxInterval: "{{maxInterval}}",
          backoffMultiplier: 2,
        },
      },
    ],
    output: { status: "${steps.relay.output.status}", body: "${steps.relay.output.body}" },
  },
};
