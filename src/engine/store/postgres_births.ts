/** Starts and restarts that are accepted as rows, on PostgreSQL. */

import type { Database, Db } from "../../foundation/database/index.ts";
import * as work from "../queries/work.ts";
import { type BirthAnswer, type BirthRow, carriedNode, type RestartRow, StoreError } from "./contract.ts";

/** The instance comes first: where its key was used before, nothing is carried over. */
export async function acceptOne(tx: Db, restart: RestartRow): Promise<Exclude<BirthAnswer, { outcome: "stale" }>> {
  const [row] = await tx.query<{ inboxId: number | null; at: number } & Omit<Taken, "createdAt">>(work.acceptRestart, [
    restartValue(restart),
  ]);
  const { inboxId, at, instanceId, definitionId, requestHash } = row!;
  if (inboxId === null) return { outcome: "exists", instanceId, definitionId, requestHash, createdAt: at };
  for (let from = 0; from < restart.steps.length; from += carriedPage) {
    const page = restart.steps.slice(from, from + carriedPage);
    await tx.execute(work.saveCarried, [`[${page.join(",")}]`, carriedNode]);
  }
  return { outcome: "created", shard: restart.shard, inboxId, at };
}

type Taken = Extract<BirthAnswer, { outcome: "exists" }>;

/** Rows of a restart that are written by one statement. */
const carriedPage = 2_000;

function restartValue(r: RestartRow): string {
  const head = [r.shard, r.id, r.namespace, r.definitionId, r.workflowId, r.priority, r.correlationId, r.startedBy];
  const life = [r.stateSeq, r.originId, r.originStepId, r.variables, r.payloadIds];
  const tail = [...life, r.retentionMs ?? null, r.key ?? null, r.requestHash];
  return `${JSON.stringify(head).slice(0, -1)},${r.inputText},${r.stateText},${JSON.stringify(tail).slice(1)}`;
}

export async function acceptAll(database: Database, births: BirthRow[]): Promise<BirthAnswer[]> {
  if (births.length === 0) return [];
  const rows = births.map(
    (b) =>
      `${JSON.stringify([b.shard, b.id, b.namespace, b.definitionId, b.workflowId, b.priority, b.correlationId ?? null, b.startedBy ?? null, null]).slice(0, -1)},${b.inputText},${JSON.stringify([b.key ?? null, b.keyShard, b.requestHash, b.revision ?? null, b.payloadIds, b.variables ?? null, b.retentionMs ?? null]).slice(1)}`,
  );
  const heads = births.filter((b) => b.revision !== undefined).map((b) => [b.namespace, b.workflowId, b.revision]);
  const answers = await database.query<{
    instanceId: string;
    outcome: string;
    shard: number;
    inboxId: number;
    at: number;
  }>(work.acceptStarts, [`[${rows.join(",")}]`, heads.length === 0 ? null : JSON.stringify(heads)]);
  const byId = new Map(answers.map((answer) => [answer.instanceId, answer]));
  const taken = births.filter((b) => byId.get(b.id)?.outcome === "exists");
  const firsts = taken.length === 0 ? new Map<string, BirthAnswer>() : await readFirsts(database, taken);
  return births.map((birth): BirthAnswer => {
    const answer = byId.get(birth.id);
    if (answer === undefined) throw new StoreError(`no answer for start ${birth.id}`, { fault: "defect" });
    if (answer.outcome === "stale") return { outcome: "stale" };
    if (answer.outcome === "created") {
      return { outcome: "created", shard: answer.shard, inboxId: answer.inboxId, at: answer.at };
    }
    // The transaction that held the key may have rolled back between our two statements.
    return firsts.get(birth.id) ?? { outcome: "busy" };
  });
}

async function readFirsts(database: Database, taken: BirthRow[]): Promise<Map<string, BirthAnswer>> {
  const keys = JSON.stringify(taken.map((b) => [b.keyShard, b.namespace, b.workflowId, b.key]));
  const rows = await database.query<{
    n: number;
    instanceId: string;
    definitionId: string;
    requestHash: string;
    createdAt: number;
  }>(work.firstStarts, [keys]);
  return new Map(rows.map(({ n, ...first }) => [taken[n - 1]!.id, { outcome: "exists", ...first }]));
}
