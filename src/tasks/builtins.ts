/** The tasks that every program has. */

import type { TaskHandler } from "./contract.ts";
import { fail } from "./fail.ts";
import { createHttpRequest, type HttpRequestOptions } from "./http/request.ts";
import { log } from "./log.ts";
import { publish } from "./publish.ts";
import { transform } from "./transform.ts";

export interface BuiltinTasks {
  /** By task id, for `createTaskRegistry`. */
  handlers: Record<string, TaskHandler>;
  /** Ends what the built-ins hold open, which are the connections of `http.request`. */
  close(): Promise<void>;
}

export function createBuiltinTasks(options: HttpRequestOptions): BuiltinTasks {
  const http = createHttpRequest(options);
  return {
    handlers: { transform, log, fail, "event.publish": publish, "http.request": http.handler },
    close: () => http.close(),
  };
}
