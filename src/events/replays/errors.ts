/** The refusals of replays. */
import { errorCatalog } from "../../foundation/errors.ts";

export const replayErrors = errorCatalog("replays", {
  replay_invalid: { kind: "invalid", summary: "The replay has faults; `errors` lists all of them." },
  replay_not_found: { kind: "not_found", summary: "No replay has this id." },
  replay_ended: { kind: "conflict", summary: "The replay has ended and cannot be cancelled." },
});
