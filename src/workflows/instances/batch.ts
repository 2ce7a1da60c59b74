/** Many starts in one request. */
import type { StartRequest } from "../../engine/index.ts";
import { AppError, type InputError } from "../../foundation/errors.ts";
import {
  compileBodyCheck,
  isFault,
  type PartialProblem,
  partialProblem,
  toAppError,
} from "../../foundation/http/index.ts";
import { startRequest } from "./contract.ts";
import { instanceErrors } from "./errors.ts";
import { type Instances, startInstance } from "./operations.ts";
import { eachInParallel, isOverload, patiently } from "./parallel.ts";
import { type StartBody, startRequestOf } from "./request.ts";

export type BatchItem =
  | { instanceId: string; definitionId: string; status: string; startedAt: string }
  | { problem: PartialProblem };

/** Enough for flushes to be full; more would only wait in memory. */
const inFlight = 500;
/** How long a start is offered again to an engine that has too much to do. */
const patienceMs = 60_000;
/** As large as the body of a single start. */
const largestStartBytes = 17 * 1024 * 1024;

const checkStart = compileBodyCheck(startRequest);

export interface Batch {
  starts: readonly unknown[];
  /** Of all of them as they were sent; undefined when that is unknown. */
  bytes: number | undefined;
  namespace: string;
  startedBy: string;
  signal: AbortSignal;
}

/**
 * Starts each of many by itself, and gives what became of each, in their order. One that is refused stops no other. When
 * `signal` aborts, for nobody hears the answer, no more are begun.
 */
export async function startBatch(instances: Instances, batch: Batch): Promise<BatchItem[]> {
  const { starts, bytes = Number.POSITIVE_INFINITY, signal, ...caller } = batch;
  const items: BatchItem[] = [];
  const untilMs = performance.now() + patienceMs;
  await eachInParallel(starts, { limit: inFlight, goesOn: () => !signal.aborted }, async (start, index) => {
    try {
      // Where all of them are no larger than one may be, none is.
      if (bytes > largestStartBytes) refuseLarge(start);
      const request = { ...bodyOf(start), ...caller };
      const ask = () => startInstance(instances, request);
      const { created: _, ...started } = await patiently(ask, { passes: isOverload, untilMs, signal });
      items[index] = started;
    } catch (error) {
      const refusal = toAppError(error);
      if (!(error instanceof AppError) && isFault(refusal))
        instances.log.error({ err: error }, "a start of a batch failed");
      items[index] = { problem: partialProblem(refusal) };
    }
  });
  return items;
}

function refuseLarge(start: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(start));
  if (bytes <= largestStartBytes) return;
  throw instanceErrors.start_too_large(`The start has ${bytes} bytes; at most ${largestStartBytes} are taken.`);
}

/** Throws `instances.request_invalid` with every fault of what should be a start. */
function bodyOf(start: unknown): Omit<StartRequest, "namespace"> {
  const errors: InputError[] = checkStart(start);
  const [first] = errors;
  // The check has just shown that it is one.
  if (first === undefined) return startRequestOf(start as StartBody);
  const place = first.pointer === "" ? "The start" : first.pointer;
  const detail =
    errors.length === 1 ? `${place}: ${first.message}.` : `The start has ${errors.length} faults; see errors.`;
  throw instanceErrors.request_invalid(detail, { errors });
}
