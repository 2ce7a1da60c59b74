/** The refusals of events: what is published, and what is asked about them. */
import { errorCatalog } from "../foundation/errors.ts";

export const eventErrors = errorCatalog("events", {
  event_invalid: {
    kind: "invalid",
    summary: "What was sent is no event, or no CloudEvent; `errors` lists where. Of a batch nothing was taken.",
  },
  event_refused: {
    kind: "invalid",
    summary:
      "The event has no definition where one is needed, or does not fit it; `errors` lists where. Of a batch nothing was taken.",
  },
  batch_too_large: {
    kind: "invalid",
    summary: "A batch of events has more members than are taken at once.",
  },
  payload_too_large: {
    kind: "invalid",
    status: 413,
    summary: "The payload of an event is larger than is taken. Of a batch nothing was taken.",
  },
  filter_invalid: {
    kind: "invalid",
    summary: "A filter of a list of events cannot be understood.",
  },
  event_not_found: {
    kind: "not_found",
    summary: "No event has this id.",
  },
});
