import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { AppError } from "../errors.ts";
import { uuidv7 } from "../ids.ts";
import { httpErrors } from "./errors.ts";
import { problemHeaders, toProblem } from "./problem.ts";

/** Answers what is not even HTTP, or came too slowly, with a problem document, and closes the connection. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = brokenRequest(error.code);
  const body = JSON.stringify(toProblem(refusal, { url: "", requestId: uuidv7(Date.now()) }));
  const headers = {
    ...problemHeaders(refusal),
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
  };
  const head = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${head}\r\n${body}`);
}

function brokenRequest(code: string | undefined): AppError {
  if (code === "HPE_HEADER_OVERFLOW") return httpErrors.headers_too_large("The request's headers are too large.");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return httpErrors.request_timeout("The request did not arrive in time.");
  return httpErrors.malformed_request("The request is not valid HTTP.");
}
