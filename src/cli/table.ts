/** Tables without lines: columns two blanks apart, a dim head, nothing to clean up when a line is copied. */
import Table from "cli-table3";
import type { Terminal } from "./terminal.ts";

const noBorder = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"]
    .concat(["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"])
    .map((part) => [part, ""]),
);

/** Prints rows under a head; cells may carry colours. Prints `empty` when there are none. */
export function printTable(
  terminal: Terminal,
  { head, rows, empty }: { head: string[]; rows: (string | undefined)[][]; empty: string },
): void {
  if (rows.length === 0) {
    terminal.print(terminal.colors.dim(empty));
    return;
  }
  const table = new Table({
    head: head.map((name) => terminal.colors.dim(name)),
    chars: noBorder,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  for (const row of rows) table.push(row.map((cell) => oneLine(cell ?? "")));
  for (const line of table.toString().split("\n")) terminal.print(line.trimEnd());
}

/** Prints `name  value` lines; undefined values are left out. */
export function printFacts(terminal: Terminal, facts: readonly (readonly [string, string | undefined])[]): void {
  const shown = facts.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  for (const [name, value] of shown) {
    const [first, ...rest] = (value ?? "").split("\n");
    terminal.print(`${terminal.colors.dim(name.padEnd(width))}  ${first}`);
    for (const line of rest) terminal.print(`${" ".repeat(width)}  ${line}`);
  }
}

/** A cell is one line, whatever users wrote into it. */
function oneLine(cell: string): string {
  return cell.replace(/\s+/g, " ");
}
