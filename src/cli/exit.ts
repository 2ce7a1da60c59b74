/** How a command ends. Scripts rely on the codes; `docs/cli.md` lists them. */

export const exitCodes = {
  /** Done. */
  ok: 0,
  /** A fault of the program or its surroundings. */
  failed: 1,
  /** The command was given wrongly: an unknown option, a file that cannot be read, a setting that cannot be used. */
  usage: 2,
  /** The server refused: invalid input, a conflict, too many requests. */
  refused: 3,
  /** What was named does not exist. */
  notFound: 4,
  /** No key, a wrong one, or one that may not do this. */
  denied: 5,
  /** Neither server nor database answers. */
  unreachable: 6,
  /** The instance that was waited for ended FAILED or CANCELLED. */
  instanceFailed: 7,
  /** Ctrl+C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a command with a message for people. `hints` say what to do about it, one line each. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;
  readonly hints: readonly string[];
  /** What `--json` prints instead of the message: the server's problem document, where there is one. */
  readonly document: unknown;

  constructor(
    exitCode: ExitCode,
    message: string,
    { hints = [], document }: { hints?: string[]; document?: unknown } = {},
  ) {
    super(message);
    this.exitCode = exitCode;
    this.hints = hints;
    this.document = document;
  }
}
