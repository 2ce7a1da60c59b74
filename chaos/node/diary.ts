/**
 * A node's diary: which handlers ran when, and what its last blow hit.
 *
 * Each line is one `write` to a file, so a line that was written before a SIGKILL is there after it.
 */

import { openSync, readFileSync, writeSync } from "node:fs";
import type { DiaryLine } from "./lines.ts";

export interface Diary {
  note(line: DiaryLine): void;
  /** The first byte of a second file says whether a flush is under way: a kill from outside is judged by it. */
  flushing(underWay: boolean): void;
}

const stateFile = (path: string) => `${path}.flushing`;
const yes = Buffer.from("1");
const no = Buffer.from("0");

export function openDiary(path: string): Diary {
  const lines = openSync(path, "a");
  const state = openSync(stateFile(path), "w");
  return {
    note(line) {
      writeSync(lines, `${JSON.stringify(line)}\n`);
    },
    flushing(underWay) {
      writeSync(state, underWay ? yes : no, 0, 1, 0);
    },
  };
}

export function isFlushing(path: string): boolean {
  return readOrEmpty(stateFile(path)) === "1";
}

/** A line that the kill cut short is left out: what it tells had not begun. */
export function readDiary(path: string): DiaryLine[] {
  const lines = readOrEmpty(path).split("\n");
  lines.pop();
  return lines.map((line): DiaryLine => JSON.parse(line));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
