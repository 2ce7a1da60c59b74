import { AppError, errorCatalog } from "../foundation/errors.ts";
import { StoreError } from "./store/contract.ts";

export const engineErrors = errorCatalog("engine", {
  instance_not_found: { kind: "not_found", summary: "No instance has this id in the namespace." },
  instance_final: { kind: "conflict", summary: "The instance has ended; it takes no signal and no cancellation." },
  instance_ending: {
    kind: "conflict",
    summary: "The instance is ending (cancelled or compensating) and cannot be changed.",
  },
  cannot_pause: {
    kind: "conflict",
    summary: "The instance cannot be paused: it has not begun, is ending, or is paused.",
  },
  cannot_resume: { kind: "conflict", summary: "The instance is not paused." },
  cannot_retry: {
    kind: "conflict",
    summary:
      "The instance cannot go on where it failed: it did not fail, was undone, did not fail at a step, or is about to be removed.",
  },
  cannot_skip: { kind: "conflict", summary: "The step cannot be passed over." },
  cannot_migrate: { kind: "conflict", summary: "The instance has no place in that version of its workflow." },
  cannot_restart: { kind: "conflict", summary: "The instance cannot be run again from that step." },
  key_reused: {
    kind: "conflict",
    status: 422,
    summary: "The idempotency key was used before for a request with other content.",
  },
  key_busy: { kind: "conflict", summary: "A transaction that is still open uses the idempotency key; try again." },
  unstorable: {
    kind: "invalid",
    summary: "PostgreSQL cannot store a value of the request (U+0000, or a number out of range).",
  },
  overloaded: {
    kind: "limited",
    summary: "More starts wait than can be written in time; try again after `Retry-After`.",
  },
  busy: { kind: "unavailable", summary: "The workflow's versions changed again and again while it was being started." },
  interrupted: {
    kind: "unavailable",
    summary:
      "The outcome of the request is unknown: the database or this node's lane was lost. With an idempotency key it is safe to try again.",
  },
  stopping: { kind: "unavailable", summary: "The node is stopping; another one will take the request." },
  broken: { kind: "internal", summary: "The engine could not begin the instance because of a defect; the log has it." },
});

const refusalKinds: ReadonlySet<string> = new Set(["invalid", "not_found", "conflict", "forbidden"]);

/** Whether a definition or an input was refused for good; anything else may pass. */
export function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && refusalKinds.has(error.kind);
}

/** What a caller is told when the store did not do what it asked for. */
export function storeRefusal(error: unknown): Error {
  if (error instanceof AppError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreError && error.fault === "data") {
    return engineErrors.unstorable(`The database cannot store this value: ${message}`, { cause: error });
  }
  return engineErrors.interrupted("The database did not answer; whether the request took effect is unknown", {
    retryAfterMs: 1_000,
    cause: error,
  });
}
