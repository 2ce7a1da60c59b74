/**
 * Structured logs: one JSON object a line on standard error, or readable lines on a terminal.
 *
 * Standard output belongs to what a command was asked for. Secrets do not reach a log: the fields that may hold one
 * are replaced, wherever they sit in the first two levels of an object.
 */
import { Writable } from "node:stream";
import pc from "picocolors";
import { type DestinationStream, type Logger as PinoLogger, pino, stdSerializers } from "pino";

export type Logger = PinoLogger;

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  level: LogLevel;
  /** Readable lines instead of JSON; by default when standard error is a terminal and no destination is given. */
  pretty?: boolean;
  destination?: DestinationStream;
}

const secretFields = ["password", "authorization", "apiKey", "adminApiKey", "token", "secret"];

export function createLogger({ level, pretty, destination }: LoggerOptions): Logger {
  const target = destination ?? pino.destination({ dest: 2, sync: true });
  const readable = pretty ?? (destination === undefined && process.stderr.isTTY === true);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: "[hidden]" },
    },
    readable ? readableLines(target) : target,
  );
}

/** What of an error tells its reader something. A driver's error drags its client along, with every statement on it. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  const { code } = error as { code?: unknown };
  return { type, message, ...(typeof code === "string" ? { code } : {}), stack };
}

/** A logger that writes nothing, for tests and for programs that embed the engine. */
export const silentLogger: Logger = pino({ level: "silent" });

const paint: Record<string, (text: string) => string> = {
  trace: pc.dim,
  debug: pc.dim,
  info: pc.green,
  warn: pc.yellow,
  error: pc.red,
  fatal: pc.red,
};

/** Turns pino's lines into `12:34:56.789 warn  message key=value`, with an error's stack below. */
function readableLines(target: DestinationStream): Writable {
  return new Writable({
    decodeStrings: false,
    write(line: string | Buffer, _encoding, done) {
      target.write(readableLine(line.toString()));
      done();
    },
  });
}

function readableLine(line: string): string {
  const { time, level, msg, err, ...rest }: Record<string, unknown> = JSON.parse(line);
  const label = String(level);
  const facts = Object.entries(rest).map(([key, value]) => {
    return pc.dim(`${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  });
  const head = [pc.dim(String(time).slice(11, 23)), (paint[label] ?? String)(label.padEnd(5)), String(msg ?? "")];
  const stack = typeof err === "object" && err !== null ? Reflect.get(err, "stack") : undefined;
  return `${[...head, ...facts].join(" ")}\n${stack === undefined ? "" : `${pc.dim(String(stack))}\n`}`;
}
