/** Whether a trigger says something that can be done: everything at once, with the place and what would be right. */
import { compileExpression, compileTemplate, ExpressionError } from "../../foundation/expressions/index.ts";
import { checkEventPattern } from "../validate/fields.ts";
import { createFindings, type Findings } from "../validate/findings.ts";
import { shown } from "../validate/pointer.ts";
import { compileCorrelationKey, compileEventCondition, compileMapping } from "./compile.ts";
import { routingPatternOfHook } from "./hooks/naming.ts";
import { secretFault } from "./hooks/secrets.ts";
import type { TriggerFields, WebhookSettings } from "./model.ts";

export interface Given {
  /** Of a webhook that is made or gets a new secret. */
  secret?: string;
  isNew: boolean;
}

const overEvents = ["event", "payload"];
const overCalls = ["payload", "headers", "query", "type"];

export function checkTrigger(fields: TriggerFields, { secret, isNew }: Given): Findings {
  const findings = createFindings();
  checkKind(fields, findings);
  checkType(fields, findings);
  const { eventCondition, correlationKey, inputMapping, webhook } = fields;
  if (eventCondition !== undefined) {
    checkExpression("/eventCondition", findings, overEvents, () => compileEventCondition(eventCondition));
  }
  if (correlationKey !== undefined) {
    checkExpression("/correlationKey", findings, overEvents, () => compileCorrelationKey(correlationKey));
  }
  if (inputMapping !== undefined) {
    const parts = compileMapping(inputMapping, (pointer, error) => report(pointer, error, findings));
    for (const { pointer, part } of parts) checkExpression(pointer, findings, overEvents, () => part);
  }
  if (webhook !== undefined && fields.kind === "webhook") {
    checkWebhook(webhook, findings);
    const fault = isNew || secret !== undefined ? secretFault(webhook.verification, secret) : undefined;
    if (fault !== undefined) findings.error("/webhook/secret", fault.message, fault.expected);
  }
  return findings;
}

function checkKind(fields: TriggerFields, findings: Findings): void {
  const { kind, eventPattern, definitionId } = fields;
  if (kind === "event") {
    if (eventPattern === undefined)
      findings.error("/eventPattern", "A trigger of kind event takes events", "a pattern");
    else checkEventPattern(eventPattern, "/eventPattern", findings);
  }
  if (kind !== "webhook") {
    if (definitionId === undefined) findings.error("/definitionId", "No workflow is named", "a workflowId");
    if (fields.webhook !== undefined)
      findings.error("/webhook", `A trigger of kind ${kind} has no webhook`, "kind webhook");
  } else if (fields.webhook === undefined) {
    findings.error("/webhook", "It is not said how calls are verified", '{ "verification": "standard" }, for example');
  } else if (eventPattern !== undefined) {
    checkHookPattern(eventPattern, findings);
  }
  if (kind === "manual" || kind === "schedule") {
    for (const field of ["eventPattern", "eventCondition"] as const) {
      if (fields[field] === undefined) continue;
      findings.error(`/${field}`, `A trigger of kind ${kind} takes no events`, "kind event");
    }
    if (fields.triggerType === "CANCEL") {
      findings.error("/triggerType", `A trigger of kind ${kind} only starts`, "START");
    }
  }
}

function checkType(fields: TriggerFields, findings: Findings): void {
  const { kind, triggerType, definitionId } = fields;
  const unused = (field: keyof TriggerFields, why: string) => {
    if (fields[field] !== undefined) findings.warn(`/${field}`, why);
  };
  if (kind === "webhook" && definitionId === undefined) {
    for (const field of ["eventCondition", "inputMapping", "correlationKey", "instancePriority"] as const) {
      unused(field, "Nothing reads it, for the webhook has no definitionId and only publishes");
    }
  } else if (triggerType === "CANCEL") {
    if (fields.correlationKey === undefined) {
      const message = "A CANCEL trigger cancels the instances with the correlationId that correlationKey gives";
      findings.error("/correlationKey", message, 'an expression such as "payload.orderId"');
    }
    unused("inputMapping", "A CANCEL trigger gives nobody input");
    unused("instancePriority", "A CANCEL trigger starts nothing");
    unused("version", "A CANCEL trigger cancels instances of every version");
  } else {
    unused("reason", "A START trigger cancels nothing");
  }
}

function checkHookPattern(pattern: string, findings: Findings): void {
  const found = createFindings();
  checkExpression("/eventPattern", found, overCalls, () => compileTemplate(pattern));
  if (found.errors.length === 0 && !pattern.includes("${")) {
    checkEventPattern(pattern, "/eventPattern", found);
    if (routingPatternOfHook(pattern) !== pattern && found.errors.length === 0) {
      const message = `The calls of a webhook are published under a name; ${shown(pattern)} has a wildcard`;
      found.error("/eventPattern", message, 'such as "payments.received" or "payments.${type}"');
    }
  }
  for (const { pointer, message, expected } of found.errors) findings.error(pointer, message, expected);
}

function checkWebhook(webhook: WebhookSettings, findings: Findings): void {
  const { verification, eventId, partitionKey } = webhook;
  if (eventId !== undefined) {
    checkExpression("/webhook/eventId", findings, overCalls, () => compileExpression(eventId));
  }
  if (partitionKey !== undefined) {
    checkExpression("/webhook/partitionKey", findings, overCalls, () => compileExpression(partitionKey));
  }
  const unused = (field: keyof WebhookSettings, only: string) => {
    if (webhook[field] === undefined || verification === only) return;
    findings.warn(`/webhook/${field}`, `Only the verification "${only}" reads it`);
  };
  unused("header", "secret");
  unused("queryParameter", "secret");
  unused("toleranceSeconds", "stripe");
}

function checkExpression(
  pointer: string,
  findings: Findings,
  names: readonly string[],
  compile: () => { references: { roots: ReadonlySet<string> } },
): void {
  try {
    for (const root of compile().references.roots) {
      if (names.includes(root)) continue;
      findings.error(
        pointer,
        `The expression reads ${shown(root)}, which is not known here`,
        `one of ${names.join(", ")}`,
      );
    }
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    report(pointer, error, findings);
  }
}

function report(pointer: string, { message, expected }: ExpressionError, findings: Findings): void {
  findings.error(pointer, message, expected);
}
