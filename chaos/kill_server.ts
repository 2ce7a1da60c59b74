import { readFileSync } from "node:fs";

/** Kills a PostgreSQL as a power cut would: its main process first, so that nobody tidies up, then every other. */
export function killServer(pid: number): void {
  const children = childrenOf(pid);
  for (const one of [pid, ...children]) {
    try {
      process.kill(one, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

/** On Linux; elsewhere the others see that their parent is gone and end at once. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
