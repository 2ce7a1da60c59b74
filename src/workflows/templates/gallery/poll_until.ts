import { type Builtin, count, duration, expression, task } from "./builtin.ts";

export const pollUntil: Builtin = {
  name: "poll-until",
  version: "1.0.0",
  category: "integration",
  description: [
    "Asks again and again, with a pause between, until the answer is the one waited for. Between two polls nothing but",
    "a row waits, so polling for days costs nothing. The output is the last answer; when it has not come after maxPolls",
    "polls, the instance fails with POLLS_EXHAUSTED.",
  ].join(" "),
  parameters: {
    type: "object",
    properties: {
      task: task("Asks.", "http.request"),
      taskInput: expression("What it is given.", "{'url': input.url}"),
      done: expression("Whether `output` is the answer waited for.", "output.body.status == 'done'"),
      interval: duration("The pause between two polls.", "PT30S"),
      maxPolls: count("How many polls at most.", { usual: 20, least: 1, most: 10_000 }),
    },
  },
  templateData: {
    name: "Poll until",
    variables: { polls: { type: "integer", default: 0, description: "Polls so far." } },
    steps: [
      {
        stepId: "poll",
        type: "TASK",
        taskId: "{{task}}",
        input: "{{expression taskInput}}",
        outputMapping: { polls: "variables.polls + 1" },
        transitions: {
          conditions: [
            { condition: "{{expression done}}", nextStep: "finished" },
            { condition: "variables.polls >= {{maxPolls}}", nextStep: "gave-up" },
          ],
          default: "pause",
        },
      },
      { stepId: "pause", type: "DELAY", delay: "{{interval}}", transitions: { default: "poll" } },
      { stepId: "finished", type: "TASK", taskId: "transform", input: { expression: "steps.poll.output" } },
      {
        stepId: "gave-up",
        type: "TASK",
        taskId: "fail",
        input: { code: "POLLS_EXHAUSTED", message: "The answer did not come in {{maxPolls}} poll(s)" },
      },
    ],
  },
};
