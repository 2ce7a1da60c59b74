/** Subscriptions as people see them: without what is secret. */
import { livingSecrets } from "./model.ts";
import type { SubscriptionRow } from "./queries.ts";

export const hidden = "[hidden]";

/** Headers under such names hold credentials more often than not. */
const credentialName = /auth|cookie|key|secret|token|password|signature/i;

export type SubscriptionView = ReturnType<typeof viewOf>;

export function viewOf(row: SubscriptionRow) {
  const { subscriberType, endpoint, handler, headers, authentication, secrets, timeoutMs, disableAfterMs } = row;
  const shownHeaders = Object.entries(headers).map(([name, value]) => [
    name,
    credentialName.test(name) ? hidden : value,
  ]);
  return {
    id: row.id,
    namespace: row.namespace,
    ...(row.name !== null && { name: row.name }),
    eventPattern: row.eventPattern,
    subscriber: {
      type: subscriberType,
      ...(endpoint !== null && { endpoint }),
      ...(handler !== null && { handler }),
      headers: Object.fromEntries(shownHeaders) as Record<string, string>,
      ...(authentication !== null && {
        authentication: {
          type: authentication.type,
          ...(authentication.type === "basic" && { username: authentication.username }),
          ...(authentication.type === "api-key" && { header: authentication.header }),
        },
      }),
    },
    ...(row.filter !== null && { filter: row.filter }),
    retryPolicy: row.retryPolicy,
    timeout: timeoutMs,
    maxConcurrency: row.maxConcurrency,
    disableAfter: disableAfterMs,
    ...(row.description !== null && { description: row.description }),
    status: row.status,
    ...(row.statusReason !== null && { statusReason: row.statusReason }),
    secrets: livingSecrets(secrets, Date.now()).map(({ secret: _, ...rest }) => rest),
    ...(row.failingSince !== null && { failingSince: row.failingSince }),
    ...(row.lastDeliveredAt !== null && { lastDeliveredAt: row.lastDeliveredAt }),
    ...(row.disabledAt !== null && { disabledAt: row.disabledAt }),
    createdBy: row.createdBy,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}
