/** The refusals of triggers and of inbound webhooks. */
import { errorCatalog } from "../../foundation/errors.ts";

export const triggerErrors = errorCatalog("triggers", {
  trigger_invalid: {
    kind: "invalid",
    summary: "The trigger has faults; `errors` lists all of them.",
  },
  trigger_not_found: {
    kind: "not_found",
    summary: "No trigger has this id or name.",
  },
  name_taken: {
    kind: "conflict",
    summary: "Another trigger of the namespace has this name.",
  },
  trigger_disabled: {
    kind: "conflict",
    summary: "The trigger is disabled; enable it first.",
  },
  not_fireable: {
    kind: "conflict",
    summary: "The trigger starts nothing by itself: it cancels, or it only publishes. Publish an event in its place.",
  },
  input_mapping_failed: {
    kind: "invalid",
    summary: "The trigger's inputMapping or correlationKey failed for this payload.",
  },
  no_secret: {
    kind: "conflict",
    summary: "The trigger is no webhook, so it has no secret.",
  },
  webhook_not_found: {
    kind: "not_found",
    summary: "No webhook has this address.",
  },
  webhook_disabled: {
    kind: "conflict",
    summary: "The webhook is disabled; nothing was done.",
  },
  signature_missing: {
    kind: "unauthenticated",
    summary: "An inbound call has no signature or token where its webhook looks for it.",
  },
  signature_invalid: {
    kind: "unauthenticated",
    summary: "The signature or token of an inbound call is not that of any secret that is good now.",
  },
  timestamp_refused: {
    kind: "unauthenticated",
    summary: "An inbound call was signed too long ago, or in the future.",
  },
  call_invalid: {
    kind: "invalid",
    summary: "A verified call cannot be read: its body, or the field that it is to be known by.",
  },
});
