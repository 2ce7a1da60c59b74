/** Dead letters as people see them. */
import type { LetterRow, LetterSummaryRow } from "./queries.ts";

type Shown<T> = { [K in keyof T]?: Exclude<T[K], null> } & Pick<
  T,
  { [K in keyof T]: null extends T[K] ? never : K }[keyof T]
>;

export function summaryOf(row: LetterSummaryRow): Shown<LetterSummaryRow> {
  return withoutNulls(row);
}

export function viewOf({ originalEvent, errorContext, retryHistory, ...row }: LetterRow) {
  return {
    ...withoutNulls(row),
    originalEvent,
    ...(errorContext !== null && { errorContext }),
    retryHistory,
  };
}

function withoutNulls<T extends object>(row: T): Shown<T> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Shown<T>;
}
