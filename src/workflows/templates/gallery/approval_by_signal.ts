import { type Builtin, duration, expression, task } from "./builtin.ts";

export const approvalBySignal: Builtin = {
  name: "approval-by-signal",
  version: "1.0.0",
  category: "approval",
  description: [
    "Asks for a decision, waits for it, and ends approved, rejected or timed out.",
    "The decision comes as a signal with the payload { approved: true or false, by?, comment? }; a signal without",
    "`approved` is not one. The output is { outcome, decision }, where outcome is approved, rejected or timed-out:",
    "run it as a child and let the parent's transitions look at it.",
  ].join(" "),
  parameters: {
    type: "object",
    properties: {
      signal: {
        type: "string",
        minLength: 1,
        maxLength: 255,
        description: "The type of the signal that brings the decision.",
        default: "approval.decided",
      },
      timeout: duration("How long to wait for the decision.", "P3D"),
      askTask: task("Tells whoever decides that a decision is needed.", "log"),
      askInput: expression(
        "What the asking task is given; the decider needs instance.id.",
        "{'message': 'A decision is needed for instance ' + instance.id}",
      ),
      tellTask: task("Tells the outcome; it runs in every case.", "log"),
      tellInput: expression(
        "What the telling task is given; variables.outcome and variables.decision say how it ended.",
        "{'message': 'The decision for instance ' + instance.id + ': ' + variables.outcome}",
      ),
    },
  },
  templateData: {
    name: "Approval by signal",
    description: "Waits {{timeout}} for the signal {{signal}}.",
    variables: {
      outcome: { type: "string", default: "pending", description: "approved, rejected or timed-out." },
      decision: { type: "any", default: null, description: "The signal's payload." },
    },
    steps: [
      {
        stepId: "ask",
        type: "TASK",
        taskId: "{{askTask}}",
        input: "{{expression askInput}}",
        transitions: { default: "decide" },
      },
      {
        stepId: "decide",
        type: "EVENT_WAIT",
        eventPattern: "{{signal}}",
        eventCondition: "has(payload.approved)",
        eventTimeout: { duration: "{{timeout}}", timeoutHandlerStepId: "timed-out" },
        eventPayloadMapping: { decision: "payload" },
        transitions: {
          conditions: [{ condition: "output.approved == true", nextStep: "approved" }],
          default: "rejected",
        },
      },
      outcome("approved"),
      outcome("rejected"),
      outcome("timed-out"),
      { stepId: "tell", type: "TASK", taskId: "{{tellTask}}", input: "{{expression tellInput}}" },
    ],
    output: { outcome: "${variables.outcome}", decision: "${variables.decision}" },
  },
};

function outcome(name: string) {
  return {
    stepId: name,
    type: "DECISION",
    outputMapping: { outcome: `'${name}'` },
    transitions: { default: "tell" },
  };
}
