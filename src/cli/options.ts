/** Options that several commands take, and how their values are read. */
import { InvalidArgumentError, Option } from "commander";

export const valueWords = "JSON, @file (JSON or YAML), or - for standard input";

export function limit(): Option {
  return new Option("--limit <n>", "how many at most").default(50).argParser(wholeNumber(1, 100_000));
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`A whole number from ${least} to ${most} is expected.`);
    }
    return value;
  };
}
