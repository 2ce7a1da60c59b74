/** Sequences and members as they are shown. */
import type { MemberRow, SequenceRow } from "./queries.ts";

type Shown<T> = { [K in keyof T]?: NonNullable<T[K]> };

/** What is null is left out. */
function shown<T extends object>(facts: T): Shown<T> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== null)) as Shown<T>;
}

export function summaryOf(row: SequenceRow) {
  const { id, sequenceId, name, status, metadata, createdBy, createdAt, updatedAt } = row;
  const { description, version, strategy: rollbackStrategy, rollback, error, startedAt, completedAt } = row;
  return {
    ...{ id, sequenceId, name, status, metadata, createdBy, createdAt, updatedAt },
    ...shown({ description, version, rollbackStrategy, rollback, error, startedAt, completedAt }),
  };
}

export type SequenceSummary = ReturnType<typeof summaryOf>;

export function viewOf(row: SequenceRow, members: readonly MemberRow[]) {
  return { ...summaryOf(row), events: members.map(memberOf) };
}

export type SequenceView = ReturnType<typeof viewOf>;

function memberOf(row: MemberRow) {
  const { position, order, required, status, waitForInstances, given, retries, body } = row;
  const { eventId, waitingFor, error, publishedAt, processingTimestamp } = row;
  return {
    ...{ position, order, required, status, waitForInstances, given, retries },
    ...body,
    ...shown({ eventId, error, publishedAt, processingTimestamp }),
    ...(status === "published" && waitingFor !== null && { waitingFor }),
  };
}
