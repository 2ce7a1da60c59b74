/** The refusals of event subscriptions and their deliveries. */
import { errorCatalog } from "../../foundation/errors.ts";

export const subscriptionErrors = errorCatalog("subscriptions", {
  subscription_invalid: {
    kind: "invalid",
    summary: "The subscription has faults; `errors` lists all of them.",
  },
  subscription_not_found: {
    kind: "not_found",
    summary: "No subscription has this id.",
  },
  delivery_not_found: {
    kind: "not_found",
    summary: "No delivery has this id, or it is too old to be kept.",
  },
  name_exists: {
    kind: "conflict",
    summary: "Another subscription of the namespace has this name.",
  },
  status_change_refused: {
    kind: "conflict",
    summary: "A subscription cannot go from its present status to the one asked for.",
  },
  unsigned: {
    kind: "conflict",
    summary: "The subscription is a handler in a program; only requests to a webhook are signed.",
  },
  handler_missing: {
    kind: "conflict",
    summary: "The node that was asked has no handler of this name; a test runs where it is asked for.",
  },
});
