/** How values look in tables and facts. */
import type { Terminal } from "./terminal.ts";

type Colors = Terminal["colors"];

export function paintStatus(colors: Colors, status: string): string {
  switch (status) {
    case "COMPLETED":
    case "completed":
    case "HEALTHY":
    case "active":
    case "fresh":
    case "created":
    case "applied":
    case "delivered":
    case "resolved":
      return colors.green(status);
    case "FAILED":
    case "UNHEALTHY":
    case "dead":
    case "failed":
    case "changed":
    case "unknown":
    case "disabled":
      return colors.red(status);
    case "CANCELLED":
    case "cancelled":
    case "PAUSED":
    case "OFFLINE":
    case "DEGRADED":
    case "deprecated":
    case "stale":
    case "offline":
    case "pending":
    case "suspended":
    case "discarded":
      return colors.yellow(status);
    case "RUNNING":
    case "running":
    case "reprocessing":
    case "WAITING_FOR_EVENT":
      return colors.cyan(status);
    default:
      return status;
  }
}

/** `2026-01-31 09:15:02` in UTC: the same on every machine, and as logs and the API say it. */
export function instant(iso: string | undefined): string | undefined {
  return iso === undefined ? undefined : iso.slice(0, 19).replace("T", " ");
}

/** The time between two instants, or from one until now: `3 ms`, `2.14 s`, `5 min 3 s`, `2 h 5 min`, `3 d 4 h`. */
export function span(from: string, to: string | undefined): string {
  return duration((to === undefined ? Date.now() : Date.parse(to)) - Date.parse(from));
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** JSON in one line where it is short, else over several. */
export function json(value: unknown): string {
  const short = JSON.stringify(value);
  return short === undefined || short.length <= 100 ? short : JSON.stringify(value, null, 2);
}

/** JSON in at most `width` characters. */
export function clipped(value: unknown, width: number): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** What an error of an instance or a step says, in one line: `CARD_DECLINED: The bank refuses …`. */
export function errorLine(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code, message } = error as Record<string, unknown>;
  if (typeof message !== "string") return clipped(error, 200);
  return typeof code === "string" ? `${code}: ${message}` : message;
}
