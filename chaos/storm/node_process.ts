/** One node as the orchestrator sees it: a child process that is asked, drained, stopped, continued and killed. */

import { type ChildProcess, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Reply, Request } from "../node/lines.ts";

/** What a caller learns. `unknown`: no answer came; whether it took effect is not known. */
export type Answer =
  | { outcome: "accepted"; value: unknown }
  | { outcome: "refused"; code: string; kind: string; message: string }
  | { outcome: "unknown" };

type Ask<R> = R extends { id: number } ? Omit<R, "id"> : never;

const program = fileURLToPath(new URL("../node/main.ts", import.meta.url));
/** Longer than any outage that a run makes. */
const patienceMs = 30_000;

export class NodeProcess {
  readonly name: string;
  readonly diaryPath: string;
  /** Resolves to false when the process ended before it was ready. */
  readonly ready: Promise<boolean>;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Of the engine; empty before it is ready. */
  nodeId = "";
  state: "starting" | "live" | "stopped" | "draining" | "gone" = "starting";
  /** It was sent SIGKILL from here; how it ends after that is no fault of its own. */
  killed = false;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  constructor({ name, dir, url, leaseMs }: { name: string; dir: string; url: string; leaseMs: number }) {
    this.name = name;
    this.diaryPath = join(dir, `${name}.diary`);
    this.#child = spawn(process.execPath, [program], {
      env: { ...process.env, DATABASE_URL: url, CHAOS_DIARY: this.diaryPath, CHAOS_LEASE_MS: String(leaseMs) },
      stdio: ["pipe", "pipe", openSync(join(dir, `${name}.log`), "a")],
    });
    // A write to a process that was just killed fails; its end is told by `exit`.
    this.#child.stdin!.on("error", () => {});
    this.exited = new Promise((resolve) => this.#child.once("exit", (code, signal) => resolve({ code, signal })));
    this.ready = new Promise((resolve) => {
      void this.exited.then(() => {
        this.#end();
        resolve(false);
      });
      createInterface({ input: this.#child.stdout! }).on("line", (line) => {
        const reply: Reply = JSON.parse(line);
        if ("event" in reply) {
          this.nodeId = reply.nodeId;
          if (this.state === "starting") this.state = "live";
          resolve(true);
        } else this.#settle(reply);
      });
    });
  }

  async ask(what: Ask<Request>): Promise<Answer> {
    if (this.state === "gone") return { outcome: "unknown" };
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#pending.set(id, resolve);
    this.#child.stdin!.write(`${JSON.stringify({ id, ...what })}\n`);
    const impatience = setTimeout(() => resolve({ outcome: "unknown" }), patienceMs);
    const answer = await promise;
    clearTimeout(impatience);
    this.#pending.delete(id);
    return answer;
  }

  signal(name: NodeJS.Signals): void {
    if (name === "SIGKILL") this.killed = true;
    this.#child.kill(name);
  }

  #settle(reply: Exclude<Reply, { event: string }>): void {
    const { id } = reply;
    this.#pending.get(id)?.(reply.ok ? { outcome: "accepted", value: reply.value } : { ...reply, outcome: "refused" });
  }

  #end(): void {
    this.state = "gone";
    for (const resolve of this.#pending.values()) resolve({ outcome: "unknown" });
  }
}
