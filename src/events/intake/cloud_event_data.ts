/** The data of a CloudEvent as a payload. */
import type { Json } from "../../engine/index.ts";
import { AppError, type InputError } from "../../foundation/errors.ts";
import { parseJsonBody } from "../../foundation/http/index.ts";

/** `encoding` says that the payload is a text that holds bytes. */
export type Data =
  | { payload: Json; encoding?: "base64"; errors?: undefined }
  | { payload?: undefined; encoding?: undefined; errors: InputError[] };

const base64Text = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Bytes that are JSON, as their type says, are the value; others stay base64 text, for a payload is JSON. */
export function dataOfBase64(
  given: unknown,
  { contentType, pointer }: { contentType: string | undefined; pointer: string },
): Data {
  if (typeof given !== "string" || !base64Text.test(given)) {
    return { errors: [{ pointer, message: "is no base64", expected: "a text of RFC 4648, section 4, with padding" }] };
  }
  if (contentType === undefined || !isJsonType(contentType)) return { payload: given, encoding: "base64" };
  try {
    return { payload: parseJsonBody(Buffer.from(given, "base64")) as Json };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const message = `holds no JSON, which datacontenttype says it is: ${error.message}`;
    return { errors: [{ pointer, message, expected: "JSON, or another datacontenttype" }] };
  }
}

function isJsonType(contentType: string): boolean {
  return /^[^;]*[/+]json\s*(;|$)/i.test(contentType);
}
