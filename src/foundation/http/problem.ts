/** Every refusal as a problem document (RFC 9457). */
import { STATUS_CODES } from "node:http";
import { z } from "zod";
import { isTransient } from "../database/index.ts";
import { AppError, errorKinds } from "../errors.ts";
import { httpErrors } from "./errors.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";
const DEFAULT_RETRY_AFTER_MS = 1_000;
const MAX_INSTANCE_LENGTH = 512;

export const problemSchema = z
  .object({
    type: z.string().describe("urn:millrace:problem:<code>"),
    title: z.string().describe("The kind of the problem, the same for every occurrence."),
    status: z.int().min(400).max(599).describe("The HTTP status."),
    detail: z.string().describe("What was wrong with this request, and what would be right."),
    instance: z.string().describe("The path of the request."),
    code: z.string().describe("The problem's code, listed in the documentation of errors."),
    errors: z
      .array(
        z.object({
          pointer: z
            .string()
            .describe("JSON pointer into the body; parameters, query and headers are under /params, /query, /headers."),
          message: z.string(),
          expected: z.string().optional().describe("What would be right."),
        }),
      )
      .optional()
      .describe("Every fault of the input."),
    details: z.record(z.string(), z.unknown()).optional().describe("Further facts, by the problem's code."),
    requestId: z.string().describe("The id under which the log knows the request."),
  })
  .meta({ id: "Problem", description: "A problem document (RFC 9457)." });

export type Problem = z.infer<typeof problemSchema>;

export const partialProblemSchema = problemSchema.omit({ instance: true, requestId: true }).meta({
  id: "PartialProblem",
  description: "Why one of many was refused: a problem document without what belongs to the whole request.",
});

export type PartialProblem = z.infer<typeof partialProblemSchema>;

/** The problem document of a refusal. */
export function toProblem(error: AppError, { url, requestId }: { url: string; requestId: string }): Problem {
  const instance = url.split("?", 1)[0]!.slice(0, MAX_INSTANCE_LENGTH).toWellFormed();
  return { ...partialProblem(error), instance, requestId };
}

/** What a problem document says of a refusal itself, wherever the request came from. */
export function partialProblem(error: AppError): PartialProblem {
  return {
    type: `urn:millrace:problem:${error.code}`,
    title: titleOf(error),
    status: error.status,
    detail: error.message,
    code: error.code,
    ...(error.errors && { errors: error.errors }),
    ...(error.details && { details: error.details }),
  };
}

function titleOf(error: AppError): string {
  const kind = errorKinds[error.kind];
  return error.status === kind.status ? kind.title : (STATUS_CODES[error.status] ?? kind.title);
}

/** Headers that belong to a refusal besides its body. */
export function problemHeaders(error: AppError): Record<string, string> {
  const headers: Record<string, string> = { "content-type": PROBLEM_TYPE, "cache-control": "no-store" };
  if (error.status === 401) headers["www-authenticate"] = "Bearer";
  if (error.retryAfterMs !== undefined || error.status === 503) {
    headers["retry-after"] = String(Math.max(1, Math.ceil((error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) / 1000)));
  }
  return headers;
}

/**
 * Turns whatever was thrown into a refusal: those of the program as they are, those of the HTTP library by their
 * status, a database that is away as 503, and everything else as `http.internal`, which tells the client nothing about the program.
 */
export function toAppError(thrown: unknown, { accepted = ["application/json"] } = {}): AppError {
  if (thrown instanceof AppError) return thrown;
  const { code, statusCode } = factsOf(thrown);
  const cause = { cause: thrown };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return httpErrors.body_too_large("The body is larger than this route reads.", cause);
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return contentTypeUnsupported(accepted);
  }
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) {
    const reason = thrown instanceof Error ? thrown.message : "it is not valid HTTP";
    return httpErrors.malformed_request(`The request cannot be read: ${reason}.`, cause);
  }
  if (isTransient(thrown)) return httpErrors.database_unavailable("The database is not available; try again.", cause);
  return httpErrors.internal("The program has a fault; the log has the details under this request id.", cause);
}

export function contentTypeUnsupported(accepted: readonly string[]): AppError {
  return httpErrors.content_type_unsupported(
    `The body's content type is not read here; send ${accepted.join(" or ")}.`,
    {
      details: { accepted },
    },
  );
}

function factsOf(thrown: unknown): { code?: unknown; statusCode?: unknown } {
  return typeof thrown === "object" && thrown !== null ? thrown : {};
}

/** Whether an error must reach the log: faults of the program, and a database that is away; refusals of clients not. */
export function isFault(error: AppError): boolean {
  return error.status >= 500 && error.code !== "http.draining";
}
