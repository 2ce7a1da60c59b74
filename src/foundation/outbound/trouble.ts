/** What becomes of requests that got no whole answer, and when a server asks to come back. */

/** No server is waited for longer than a day. */
const maxRetryAfterMs = 86_400_000;

/** Retry-After of RFC 9110 10.2.3, seconds or a date, as milliseconds from now; undefined when absent or unreadable. */
export function readRetryAfter(value: string | string[] | undefined, nowMs: number): number | undefined {
  const text = (Array.isArray(value) ? value[0] : value)?.trim() ?? "";
  if (/^\d{1,10}$/.test(text)) return Math.min(Number(text) * 1_000, maxRetryAfterMs);
  // An HTTP date begins with its day's name; `Date.parse` alone would read "-1" as a year.
  const atMs = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.min(Math.max(0, atMs - nowMs), maxRetryAfterMs);
}

/** Why a request got no whole answer. `category` is a word of error categories (TRANSIENT, TIMEOUT, PERMANENT, SECURITY). */
export interface ConnectionTrouble {
  code: string;
  category: "TRANSIENT" | "TIMEOUT" | "PERMANENT" | "SECURITY";
  text: string;
}

const meanings: [RegExp, ConnectionTrouble][] = [
  [/^ADDRESS_REFUSED$/, { code: "ADDRESS_REFUSED", category: "SECURITY", text: "its address is not allowed" }],
  [/^(ENOTFOUND|ENODATA|EAI_)/, { code: "DNS_FAILED", category: "TRANSIENT", text: "its name could not be resolved" }],
  [/^ECONNREFUSED$/, { code: "CONNECTION_REFUSED", category: "TRANSIENT", text: "nobody accepts connections there" }],
  [
    /^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/,
    { code: "CONNECT_TIMEOUT", category: "TIMEOUT", text: "no connection in time" },
  ],
  [
    /^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ENETDOWN)$/,
    { code: "HOST_UNREACHABLE", category: "TRANSIENT", text: "there is no route to it" },
  ],
  [
    /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|EPROTO)/,
    { code: "TLS_ERROR", category: "PERMANENT", text: "no trusted TLS connection" },
  ],
  [
    /^(HTTPParserError$|HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)/,
    { code: "INVALID_RESPONSE", category: "TRANSIENT", text: "the answer is not HTTP" },
  ],
  [
    /^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/,
    { code: "CONNECTION_LOST", category: "TRANSIENT", text: "the connection broke" },
  ],
];

/** Reads the code of the error, or of what caused it. */
export function troubleOf(error: unknown): ConnectionTrouble {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = "code" in at && at.code !== undefined ? String(at.code) : at.name;
    for (const [pattern, trouble] of meanings) if (pattern.test(code)) return trouble;
  }
  return { code: "REQUEST_FAILED", category: "TRANSIENT", text: "the request failed" };
}

/** The trouble as the end of a sentence, with the error's own words. */
export function troubleText({ text }: ConnectionTrouble, cause: unknown): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return `${text}${reason === "" ? "" : ` (${reason})`}`;
}
