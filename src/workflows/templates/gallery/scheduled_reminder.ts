import { type Builtin, count, duration, expression, task } from "./builtin.ts";

export const scheduledReminder: Builtin = {
  name: "scheduled-reminder",
  version: "1.0.0",
  category: "schedule",
  description: [
    "Sleeps until an instant, reminds, and reminds again until a signal says that it is done, or often enough. The output",
    "is { outcome, reminders }, where outcome is done or unanswered. A signal that comes before the first reminder counts:",
    "it ends the instance right after that one.",
  ].join(" "),
  parameters: {
    type: "object",
    properties: {
      at: expression("When to remind for the first time: an instant such as 2030-01-31T09:00:00Z.", "input.remindAt"),
      task: task("Reminds.", "log"),
      taskInput: expression("What it is given; variables.reminders counts.", "{'message': input.message}"),
      signal: {
        type: "string",
        minLength: 1,
        maxLength: 255,
        description: "The type of the signal that says that it is done.",
        default: "reminder.done",
      },
      every: duration("The time between two reminders.", "P1D"),
      times: count("How many reminders at most.", { usual: 3, least: 1, most: 1000 }),
    },
  },
  templateData: {
    name: "Scheduled reminder",
    variables: {
      reminders: { type: "integer", default: 0, description: "Reminders so far." },
      outcome: { type: "string", default: "pending", description: "done or unanswered." },
    },
    steps: [
      { stepId: "sleep", type: "DELAY", until: "{{expression at}}", transitions: { default: "remind" } },
      {
        stepId: "remind",
        type: "TASK",
        taskId: "{{task}}",
        input: "{{expression taskInput}}",
        outputMapping: { reminders: "variables.reminders + 1" },
        transitions: { default: "answer" },
      },
      {
        stepId: "answer",
        type: "EVENT_WAIT",
        eventPattern: "{{signal}}",
        eventTimeout: { duration: "{{every}}", timeoutHandlerStepId: "again" },
        transitions: { default: "done" },
      },
      {
        stepId: "again",
        type: "DECISION",
        transitions: {
          conditions: [{ condition: "variables.reminders >= {{times}}", nextStep: "unanswered" }],
          default: "remind",
        },
      },
      { stepId: "done", type: "DECISION", outputMapping: { outcome: "'done'" } },
      { stepId: "unanswered", type: "DECISION", outputMapping: { outcome: "'unanswered'" } },
    ],
    output: { outcome: "${variables.outcome}", reminders: "${variables.reminders}" },
  },
};
