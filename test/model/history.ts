/** What is compared: what became of an instance, and of every attempt of its steps. */

import type { Json } from "../../src/engine/index.ts";
import { canonical } from "../../src/engine/simulation/law.ts";

export type Status = "COMPLETED" | "FAILED" | "CANCELLED";

/** One attempt that has ended. */
export interface Row {
  path: string;
  attempt: number;
  status: Status;
  code?: string;
  input?: Json;
  output?: Json;
  /** The event that it published. */
  published?: Json;
  atMs: number;
}

export interface History {
  status: Status;
  code?: string;
  output?: Json;
  variables: Record<string, Json>;
  rows: Row[];
  atMs: number;
}

/** Ids of children and of events, as the engine and the tests give them. */
const newIds = /published \d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|child \d+ of [^"]+/g;

/** A history as text: the rows of each scope in their order, the scopes by name. */
export function linesOf(history: History, options: { times: boolean }): string[] {
  const time = (atMs: number) => (options.times ? ` at ${atMs}` : "");
  const scopes = new Map<string, string[]>();
  for (const { path, attempt, status, code, input, output, published, atMs } of history.rows) {
    const scope = path.slice(0, path.lastIndexOf("/") + 1);
    const rows = scopes.get(scope) ?? [];
    scopes.set(scope, rows);
    // A compensation's input holds what the model does not know; a step that was cancelled may not have begun.
    const asked = (input ?? null) === null || scope === "~/" || status === "CANCELLED" ? "" : `${canonical(input)} → `;
    const told = published === undefined ? "" : ` publishes ${canonical(published)}`;
    rows.push(`  ${path} ${attempt} ${status} ${asked}${code ?? canonical(output ?? null)}${told}${time(atMs)}`);
  }
  const { status, code, output, variables, atMs } = history;
  const lines = [
    `${status} ${code ?? canonical(output ?? null)}${time(atMs)}, variables ${canonical(variables)}`,
    ...[...scopes.keys()].sort().flatMap((scope) => [`"${scope}"`, ...(scopes.get(scope) ?? [])]),
  ];
  return lines.map((line) => line.replaceAll(newIds, "an id"));
}
