/**
 * What a database error means for the one who asked.
 *
 * An error of the server carries its SQLSTATE in `code`; an error of the line carries the operating system's code, or
 * only a message of the `pg` driver. These functions take `unknown`, because that is what `catch` gives.
 */

/** The five characters of the server's answer, or undefined when the error did not come from the server. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !systemCodes.has(code) ? code : undefined;
}

/**
 * Whether the connection is gone (or never came about). After it the outcome of a statement that was under way is
 * unknown: it may have been committed.
 */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) {
    return code.startsWith("08") || systemCodes.has(code) || lostStates.has(code);
  }
  return error instanceof Error && driverMessages.some((start) => error.message.startsWith(start));
}

/**
 * Whether the same statement or transaction may succeed when it is sent again, unchanged, a little later: the
 * connection was lost, a deadlock or serialization failure, a lock or statement timeout, no resources, a server that
 * starts or stops, or a plan that a schema change made stale.
 */
export function isTransient(error: unknown): boolean {
  return isConnectionLost(error) || isStalePlan(error) || transientClasses.has(classOf(error));
}

/** Whether the values themselves are at fault (classes 22, 23, 54): sending them again fails again. */
export function isDataError(error: unknown): boolean {
  return dataClasses.has(classOf(error));
}

/**
 * Whether a prepared statement can no longer be run as it was prepared, because a migration changed its tables. It is
 * refused before it does anything. The server's message is translated, the name of its routine is not.
 */
export function isStalePlan(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === "26000" || (state === "0A000" && propertyOf(error, "routine") === "RevalidateCachedQuery");
}

const transientClasses = new Set(["08", "40", "53", "55", "57"]);
const dataClasses = new Set(["22", "23", "54"]);

/** Server answers after which it closes the connection: shutdown, crash, starting up, database dropped, idle limits. */
const lostStates = new Set(["57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"]);

const systemCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENETUNREACH",
  "ENETDOWN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "EAI_AGAIN",
  "ENOENT",
]);

/** The driver gives these errors no code. The tests of this folder provoke them, so a new wording is noticed. */
const driverMessages = [
  "Connection terminated",
  "Client has encountered a connection error",
  "Client was closed",
  "timeout expired",
  "timeout exceeded when trying to connect",
];

function classOf(error: unknown): string {
  return sqlStateOf(error)?.slice(0, 2) ?? "";
}

function codeOf(error: unknown): string | undefined {
  return propertyOf(error, "code");
}

function propertyOf(error: unknown, key: "code" | "routine"): string | undefined {
  const value: unknown = typeof error === "object" && error !== null ? Reflect.get(error, key) : undefined;
  return typeof value === "string" ? value : undefined;
}
