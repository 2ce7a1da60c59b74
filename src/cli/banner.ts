/** What `millrace start` says: where everything is, and how the examples went. */
import { duration, paintStatus } from "./format.ts";
import { printFacts } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface StartFacts {
  version: string;
  elapsedMs: number;
  /** Undefined when this node serves no HTTP. */
  url: string | undefined;
  roles: readonly string[];
  key: { origin: "given" | "made" | "found"; path?: string; secret?: string };
  database: { version: string; dataDir?: string };
}

export function printBanner(terminal: Terminal, facts: StartFacts): void {
  const { colors } = terminal;
  const { url, key, database } = facts;
  terminal.print(`${colors.bold(`Millrace ${facts.version}`)} is ready after ${duration(facts.elapsedMs)}.`);
  terminal.print();
  printFacts(terminal, [
    [
      "  API",
      url === undefined
        ? `none here; roles: ${facts.roles.join(", ")}`
        : `${colors.cyan(`${url}/api/v1`)}  described at ${url}/api/v1/openapi.json`,
    ],
    ["  Key", keyLine(terminal, key)],
    [
      "  Store",
      `PostgreSQL ${database.version}${database.dataDir === undefined ? "" : `, embedded, in ${database.dataDir}`}`,
    ],
  ]);
}

function keyLine({ colors }: Terminal, { origin, path, secret }: StartFacts["key"]): string {
  if (secret !== undefined) return `${colors.green(secret)}  (made now and shown once; kept in ${path})`;
  if (origin === "given") return "the one given by MILLRACE_ADMIN_API_KEY";
  return path === undefined ? "made by another node of this database" : `in ${path}`;
}

export interface ExampleLine {
  workflowId: string;
  instances: number;
  ended: Record<string, number>;
  elapsedMs: number;
  medianMs: number;
}

export function printExamples(
  terminal: Terminal,
  { ranNow, results }: { ranNow: boolean; results: ExampleLine[] },
): void {
  const { colors } = terminal;
  if (terminal.progress.live || !ranNow) terminal.print();
  if (!ranNow) {
    const total = results.reduce((sum, { instances }) => sum + instances, 0);
    terminal.print(
      `  The examples were run at an earlier start: ${total} instances. (MILLRACE_EXAMPLES=false leaves them out.)`,
    );
    return;
  }
  const facts = results.map(({ workflowId, instances, ended, elapsedMs, medianMs }): [string, string] => {
    const counts = Object.entries(ended).map(([status, count]) => `${count} ${paintStatus(colors, status)}`);
    const rate = Math.round(instances / (elapsedMs / 1_000));
    const speed = `${duration(elapsedMs)}, ${rate}/s, half of them within ${duration(Math.max(1, medianMs))}`;
    return [`    ${workflowId}`, `${instances} instances: ${counts.join(", ")}  ${colors.dim(`(${speed})`)}`];
  });
  terminal.print("  Examples, which ran just now");
  printFacts(terminal, facts);
}

export function printAdvice(terminal: Terminal): void {
  terminal.print();
  terminal.print("  Look around with  npm run -s millrace -- instances list");
  terminal.print("  Stop with         Ctrl+C");
  terminal.print();
}
