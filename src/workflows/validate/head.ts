/** What the fields beside the steps must satisfy beyond their shape. */
import { isVersion } from "../../foundation/semantic_version.ts";
import type { Context } from "./context.ts";
import { checkDefault, checkDuration, checkEventPattern, checkJsonSchema, checkRetryPolicy } from "./fields.ts";
import { shown, under } from "./pointer.ts";
import type { Reading } from "./shape.ts";

export function checkHead(head: Reading["head"], { checks, findings }: Context): void {
  if (head.version !== undefined && !isVersion(head.version)) {
    findings.error("/version", `${shown(head.version)} is not a semantic version`, 'three numbers, such as "1.0.0"');
  }
  checkJsonSchema(head.inputSchema, "/inputSchema", findings);
  checkJsonSchema(head.outputSchema, "/outputSchema", findings);
  checkDuration(head.timeout, "/timeout", findings);
  checkDuration(head.retention, "/retention", findings);
  checkDuration(head.executionLog?.retention, "/executionLog/retention", findings);
  checkRetryPolicy(head.retryPolicy, "/retryPolicy", findings);
  if (head.output !== undefined) checks.input(head.output, { pointer: "/output", standing: "step" });
  for (const [name, variable] of Object.entries(head.variables ?? {})) {
    checkDefault(variable.type, variable.default, under("/variables", name, "default"), findings);
  }
  for (const [index, { key }] of (head.concurrency ?? []).entries()) {
    if (key !== undefined) {
      checks.expression(key, { pointer: under("/concurrency", index, "key"), standing: "admission" });
    }
  }
  for (const [index, trigger] of (head.cancellationTriggers ?? []).entries()) {
    const pointer = under("/cancellationTriggers", index);
    checkEventPattern(trigger.eventPattern, under(pointer, "eventPattern"), findings);
    if (trigger.eventCondition === undefined) continue;
    checks.condition(trigger.eventCondition, { pointer: under(pointer, "eventCondition"), standing: "event" });
  }
}
