/** The templates that come with the program, by name. */
import { approvalBySignal } from "./approval_by_signal.ts";
import { batchOverList } from "./batch_over_list.ts";
import type { Builtin } from "./builtin.ts";
import { callWithDeadline } from "./call_with_deadline.ts";
import { childPerItem } from "./child_per_item.ts";
import { fanOutAndJoin } from "./fan_out_and_join.ts";
import { pollUntil } from "./poll_until.ts";
import { retryWithFallback } from "./retry_with_fallback.ts";
import { saga } from "./saga.ts";
import { scheduledReminder } from "./scheduled_reminder.ts";
import { scheduledReport } from "./scheduled_report.ts";
import { webhookRelay } from "./webhook_relay.ts";

export const gallery: ReadonlyMap<string, Builtin> = new Map(
  [
    approvalBySignal,
    batchOverList,
    callWithDeadline,
    childPerItem,
    fanOutAndJoin,
    pollUntil,
    retryWithFallback,
    saga,
    scheduledReminder,
    scheduledReport,
    webhookRelay,
  ].map((builtin) => [builtin.name, builtin]),
);
