export { printAdvice, printBanner, printExamples } from "./banner.ts";
export { type CommandLineOptions, runCommandLine } from "./command_line.ts";
export type { ProgramToStart } from "./context.ts";
export { bar, type Terminal } from "./terminal.ts";
