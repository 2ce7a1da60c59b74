import { type Builtin, count, duration, expression, task, tolerance } from "./builtin.ts";

export const scheduledReport: Builtin = {
  name: "scheduled-report",
  version: "1.0.0",
  category: "schedule",
  description: [
    "Gathers answers over HTTP from several sources at once, makes a report of them, and hands it to a task that publishes",
    "it. Made to be started by a schedule, whose input says which day the report is of; any other start will do too. The",
    "output is the report. Sources that do not answer are missing in it, as many as toleratedFailures says.",
  ].join(" "),
  parameters: {
    type: "object",
    required: ["sources"],
    properties: {
      sources: {
        type: "array",
        minItems: 1,
        maxItems: 100,
        description: "What is gathered.",
        items: {
          type: "object",
          required: ["name", "url"],
          additionalProperties: false,
          properties: {
            name: { type: "string", minLength: 1, description: "Under which the report has it." },
            url: { type: "string", minLength: 1, description: "Is asked with GET." },
          },
        },
        examples: [[{ name: "orders", url: "https://example.com/orders.json" }]],
      },
      title: expression("The report's title.", "has(input.day) ? 'Report of ' + string(input.day) : 'Report'"),
      report: expression(
        "The report, of the sources' answers: steps.gather.output has { name, body } of each, or null.",
        "{'title': variables.title, 'sources': steps.gather.output.filter(source, source != null)}",
      ),
      publishTask: task("Publishes it.", "log"),
      publishInput: expression("What it is given.", "{'message': steps.format.output}"),
      timeout: duration("The longest that one source may take.", "PT30S"),
      maxAttempts: count("How often each source is asked.", { usual: 3, least: 1, most: 1000 }),
      toleratedFailures: tolerance,
    },
  },
  templateData: {
    name: "Scheduled report",
    variables: { title: { type: "string", default: "Report", description: "Of the report." } },
    steps: [
      {
        stepId: "gather",
        type: "MAP",
        items: "{{sources}}",
        maxConcurrency: 10,
        toleratedFailures: "{{toleratedFailures}}",
        steps: [
          {
            stepId: "ask",
            type: "TASK",
            taskId: "http.request",
            input: { method: "GET", url: "${item.url}" },
            retryPolicy: { maxAttempts: "{{maxAttempts}}" },
            timeout: "{{timeout}}",
            transitions: { default: "keep" },
          },
          {
            stepId: "keep",
            type: "TASK",
            taskId: "transform",
            input: { expression: "{'name': item.name, 'body': steps.ask.output.body}" },
          },
        ],
        transitions: { default: "name" },
      },
      {
        stepId: "name",
        type: "DECISION",
        outputMapping: { title: "{{expression title}}" },
        transitions: { default: "format" },
      },
      {
        stepId: "format",
        type: "TASK",
        taskId: "transform",
        input: { expression: "{{expression report}}" },
        transitions: { default: "publish" },
      },
      { stepId: "publish", type: "TASK", taskId: "{{publishTask}}", input: "{{expression publishInput}}" },
    ],
    output: "steps.format.output",
  },
};
