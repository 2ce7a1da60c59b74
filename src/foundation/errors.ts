/**
 * The one error class of the program and the table that gives each kind its HTTP status.
 *
 * A room declares its codes once with `errorCatalog`; the catalogue is also what the documentation test compares
 * with `docs/errors.md`. Expected outcomes are return values; an `AppError` is a refusal or a broken promise.
 */

export type ErrorKind =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "limited"
  | "unavailable"
  | "internal";

/** HTTP status per kind, and whether the same request may succeed later without a change. */
export const errorKinds: Readonly<Record<ErrorKind, { status: number; title: string; retry: boolean }>> = {
  invalid: { status: 400, title: "Invalid request", retry: false },
  unauthenticated: { status: 401, title: "Not authenticated", retry: false },
  forbidden: { status: 403, title: "Not allowed", retry: false },
  not_found: { status: 404, title: "Not found", retry: false },
  conflict: { status: 409, title: "Conflict", retry: false },
  limited: { status: 429, title: "Too many requests", retry: true },
  unavailable: { status: 503, title: "Unavailable", retry: true },
  internal: { status: 500, title: "Internal error", retry: true },
};

/** One fault of an input: where it is (JSON pointer), what is wrong, what would be right. */
export interface InputError {
  pointer: string;
  message: string;
  expected?: string;
}

export interface AppErrorOptions {
  /** Machine-readable facts about the refusal; they reach the client. */
  details?: Record<string, unknown>;
  /** Every fault of an input at once. */
  errors?: InputError[];
  /** For `limited` and `unavailable`: after how many milliseconds another try makes sense. */
  retryAfterMs?: number;
  cause?: unknown;
}

export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: string;
  readonly kind: ErrorKind;
  readonly status: number;
  readonly details: Record<string, unknown> | undefined;
  readonly errors: InputError[] | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(declaration: ErrorDeclaration, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = declaration.code;
    this.kind = declaration.kind;
    this.status = declaration.status;
    this.details = options.details;
    this.errors = options.errors;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface ErrorDeclaration {
  code: string;
  kind: ErrorKind;
  status: number;
  summary: string;
}

const declared = new Map<string, ErrorDeclaration>();

/** Every error code of the program that has been loaded, by code. */
export function declaredErrors(): ErrorDeclaration[] {
  return [...declared.values()].sort((a, b) => (a.code < b.code ? -1 : 1));
}

type Maker = (message: string, options?: AppErrorOptions) => AppError;

/**
 * Declares the error codes of one room: `errorCatalog("workflows", { definition_not_found: { kind, summary } })`
 * gives `workflows.definition_not_found`. `status` overrides the kind's HTTP status where a contract names another.
 */
export function errorCatalog<Names extends string>(
  room: string,
  entries: Record<Names, { kind: ErrorKind; summary: string; status?: number }>,
): Record<Names, Maker> {
  const makers = {} as Record<Names, Maker>;
  for (const name of Object.keys(entries) as Names[]) {
    const { kind, summary, status } = entries[name];
    const declaration = { code: `${room}.${name}`, kind, summary, status: status ?? errorKinds[kind].status };
    declared.set(declaration.code, declaration);
    makers[name] = (message, options) => new AppError(declaration, message, options);
  }
  return makers;
}
