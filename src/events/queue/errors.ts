/** The refusals of the event queue. */
import { errorCatalog } from "../../foundation/errors.ts";

export const queueErrors = errorCatalog("event_queue", {
  full: {
    kind: "limited",
    summary: "As many events wait to be routed as may; try again when the depth is below the high watermark.",
  },
  draining: {
    kind: "limited",
    summary: "The queue is being drained, or is drained: no events are accepted until it is resumed.",
  },
  config_invalid: {
    kind: "invalid",
    summary: "The settings of the queue do not go together.",
  },
});
