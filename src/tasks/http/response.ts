/** Reading a response: bounded, unpacked, and turned into something JSON can carry. */

import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from "node:zlib";
import { TaskError } from "../contract.ts";

export type Headers = Record<string, string | string[] | undefined>;

export interface ResponseBody {
  /** JSON when the content type says so, else text; base64 when it is neither; null when empty. */
  body: unknown;
  /** Only with base64. */
  bodyEncoding?: "base64";
}

const unpackers: Readonly<Record<string, (bytes: Buffer, options: ZlibOptions) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/** What the program can unpack, as the header Accept-Encoding. */
export const acceptEncoding = "gzip, deflate, br";

/**
 * All bytes of a body, unpacked. Neither the packed nor the unpacked form may pass `maxBytes`, so a small "bomb" costs
 * no more than an honest body; past it the rest is not read. Throws TaskError PAYLOAD_TOO_LARGE or INVALID_RESPONSE.
 */
export async function readBytes(given: {
  chunks: AsyncIterable<Buffer>;
  headers: Headers;
  maxBytes: number;
}): Promise<Buffer> {
  const { chunks, headers, maxBytes } = given;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    parts.push(chunk);
  }
  let bytes: Buffer = Buffer.concat(parts);
  const encodings = (first(headers["content-encoding"]) ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  if (encodings.length > 3) throw invalid(`The body is packed ${encodings.length} times`);
  for (const encoding of encodings.reverse()) {
    if (encoding === "" || encoding === "identity" || bytes.length === 0) continue;
    const unpack = unpackers[encoding];
    if (unpack === undefined)
      throw invalid(`The body is packed as "${encoding.slice(0, 50)}", which was not asked for`);
    try {
      bytes = await unpack(bytes, { maxOutputLength: maxBytes });
    } catch (error) {
      if (error instanceof RangeError) throw tooLarge(maxBytes);
      throw invalid(`The body cannot be unpacked as ${encoding}`, error);
    }
  }
  return bytes;
}

/** The body by its content type. Throws TaskError RESPONSE_NOT_JSON when it is announced as JSON and is not. */
export function parseBody(bytes: Buffer, headers: Headers): ResponseBody {
  if (bytes.length === 0) return { body: null };
  const contentType = (first(headers["content-type"]) ?? "").toLowerCase();
  const type = contentType.split(";", 1)[0]!.trim();
  if (type === "application/json" || type.endsWith("+json") || type === "text/json") {
    try {
      return { body: JSON.parse(new TextDecoder().decode(bytes)) };
    } catch (error) {
      const beginning = new TextDecoder().decode(bytes.subarray(0, 2_000));
      throw new TaskError({
        code: "RESPONSE_NOT_JSON",
        category: "PERMANENT",
        message: `The response says ${type} but is not: ${error instanceof Error ? error.message : "it cannot be parsed"}`,
        details: { beginning },
      });
    }
  }
  const charset = /charset="?([^";\s]+)/.exec(contentType)?.[1];
  const text = decode(bytes, charset ?? "utf-8", charset === undefined || !isText(type));
  if (text === undefined) return { body: bytes.toString("base64"), bodyEncoding: "base64" };
  return { body: text };
}

/**
 * The text, or undefined when it is none: bytes that are wrong in the charset, or a NUL, which no text has and
 * PostgreSQL cannot store. A text type with its charset named is taken at its word, wrong bytes replaced.
 */
function decode(bytes: Buffer, charset: string, fatal: boolean): string | undefined {
  try {
    const text = new TextDecoder(charset, { fatal }).decode(bytes);
    return text.includes("\u0000") ? undefined : text;
  } catch {
    return undefined;
  }
}

function isText(type: string): boolean {
  return type.startsWith("text/") || type.endsWith("+xml") || type === "application/xml";
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function tooLarge(maxBytes: number): TaskError {
  return new TaskError({
    code: "PAYLOAD_TOO_LARGE",
    category: "PERMANENT",
    message: `The response is larger than ${maxBytes} bytes; ask for less at a time`,
  });
}

function invalid(message: string, cause?: unknown): TaskError {
  return new TaskError({ code: "INVALID_RESPONSE", category: "TRANSIENT", message, cause });
}
