/** Where a command writes. Results go to standard output, everything about the work to standard error. */
import pc from "picocolors";

export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Terminal {
  readonly colors: ReturnType<typeof pc.createColors>;
  /** Colours for what goes to standard error, which may be a terminal when standard output is a file. */
  readonly errorColors: ReturnType<typeof pc.createColors>;
  /** A line of the result. */
  print(line?: string): void;
  /** A value of the result, as JSON that people can read too. */
  printJson(value: unknown): void;
  /** A line about the work: it never mixes with the result in a pipe. */
  note(line: string): void;
  /** A line that says how far the work is. On a terminal each call rewrites it; elsewhere it is not shown. */
  readonly progress: Progress;
}

export interface Progress {
  /** Whether anybody sees it. */
  readonly live: boolean;
  show(text: string): void;
  /** Takes the line away, so that what follows begins at the left. */
  clear(): void;
}

export interface TerminalOptions {
  out: Stream;
  err: Stream;
  env: Record<string, string | undefined>;
}

export function createTerminal({ out, err, env }: TerminalOptions): Terminal {
  return {
    colors: pc.createColors(wantsColor(out, env)),
    errorColors: pc.createColors(wantsColor(err, env)),
    print: (line = "") => void out.write(`${harmless(line)}\n`),
    printJson: (value) => void out.write(`${JSON.stringify(value, null, 2)}\n`),
    note: (line) => void err.write(`${harmless(line)}\n`),
    progress: createProgress(err),
  };
}

/** What users wrote is printed too, and must not steer the terminal: of control sequences only colours pass. */
function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/\u001b(?!\[[\d;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g, "\ufffd");
}

/** `NO_COLOR` wins over `FORCE_COLOR`; without either, a terminal has colours. An empty variable is none. */
function wantsColor(stream: Stream, env: Record<string, string | undefined>): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== "0";
  return stream.isTTY === true && env.TERM !== "dumb";
}

const usualColumns = 80;
const redrawEveryMs = 50;

function createProgress(stream: Stream): Progress {
  if (stream.isTTY !== true) return { live: false, show: () => {}, clear: () => {} };
  let shown = false;
  let drawnAt = Number.NEGATIVE_INFINITY;
  return {
    live: true,
    show(text) {
      const now = performance.now();
      if (now - drawnAt < redrawEveryMs) return;
      drawnAt = now;
      shown = true;
      stream.write(`\r\u001b[2K${text.slice(0, (stream.columns || usualColumns) - 1)}`);
    },
    clear() {
      if (shown) stream.write("\r\u001b[2K");
      shown = false;
      drawnAt = Number.NEGATIVE_INFINITY;
    },
  };
}

/** `████░░░░ 12/40`, in plain characters. */
export function bar({ done, total, width = 24 }: { done: number; total: number; width?: number }): string {
  const filled = total === 0 ? width : Math.floor((done / total) * width);
  return `${"█".repeat(filled)}${"░".repeat(width - filled)} ${done}/${total}`;
}
