/** What the engine says of an instance beside its state: why it waits, its log; and of a definition: its statistics. */

import type { Database } from "../foundation/database/index.ts";
import type { Engine, LogItem, WhyItem } from "./contract.ts";
import { logLevels } from "./contract.ts";
import { thaw } from "./fold.ts";
import { whyOf } from "./machine/why.ts";
import { readStatistics } from "./queries/statistics.ts";
import * as views from "./queries/views.ts";
import { factsOf } from "./runtime/loading.ts";
import type { EngineNode } from "./runtime/node.ts";
import { type StatisticsRow, statisticsOf } from "./statistics.ts";
import type { Store } from "./store/contract.ts";

export interface ExplainParts {
  database: Database;
  store: Store;
  node: EngineNode;
  /** Undefined for what is no id. */
  shardFor(instanceId: string): number | undefined;
}

export function explanationsOf({
  database,
  store,
  node,
  shardFor,
}: ExplainParts): Pick<Engine, "why" | "logs" | "statistics"> {
  return {
    async why({ namespace, instanceId }): Promise<WhyItem[] | undefined> {
      const shard = shardFor(instanceId);
      if (shard === undefined) return undefined;
      const [stored] = await store.instances([{ shard, id: instanceId }]);
      if (stored === undefined || stored.namespace !== namespace) return undefined;
      if (stored.parked) {
        const since = new Date(stored.startedAt).toISOString();
        return [{ rule: "PARKED", since, detail: "The engine could not go on with it; an operator can cancel it" }];
      }
      const program = await node.core.programs(stored.definitionId);
      // What is in memory here knows more than its rows: which steps are at work.
      const state = node.core.residents.get(instanceId)?.state ?? thaw(program, stored);
      const [paused] =
        state.status === "PAUSED"
          ? await database.query<{ at: string | null }>(views.readPausedSince, [shard, instanceId])
          : [];
      const pausedAt = typeof paused?.at === "string" ? { pausedAt: Date.parse(paused.at) } : {};
      const instance = factsOf({ ...stored, version: program.version });
      const items = whyOf(program, state, { createdAt: stored.startedAt, ...pausedAt, instance });
      for (const item of items) if (item.rule === "CONCURRENCY_LIMIT") await detailLimit(item, instanceId);
      if (items.length > 0) await noteOwner(items, shard);
      return items;
    },

    async logs({ namespace, instanceId, level = "debug", stepId, search, after, limit }): Promise<LogItem[]> {
      const shard = shardFor(instanceId);
      if (shard === undefined) return [];
      const levels = logLevels.slice(logLevels.indexOf(level));
      const pattern = search === undefined ? null : `%${search.replaceAll(/[\\%_]/g, "\\$&")}%`;
      const values = [shard, instanceId, namespace, after ?? null, levels, stepId ?? null, pattern, limit];
      const rows = await database.query<LogItem>(views.readLogs, values);
      return rows.map((row) => withoutNulls(row));
    },

    async statistics({ definitionIds }) {
      return statisticsOf(await database.query<StatisticsRow>(readStatistics, [definitionIds]));
    },
  };

  /** How many hold the limit, and since when this one waits. */
  async function detailLimit(item: WhyItem, instanceId: string): Promise<void> {
    const permits = await database.query<{ key: string; state: string; max: number; askedAt: string; held: number }>(
      views.readInstancePermits,
      [instanceId],
    );
    const waiting = permits.find(({ state }) => state === "waiting");
    if (waiting === undefined) return;
    item.since = waiting.askedAt;
    item.detail = `${waiting.held} of the ${waiting.max} permits for "${waiting.key}" are held; it waits for one`;
  }

  /** Nothing goes on while nobody owns the shard: that comes first. */
  async function noteOwner(items: WhyItem[], shard: number): Promise<void> {
    const [row] = await database.query<{ owned: boolean }>(views.isShardOwned, [shard]);
    if (row?.owned !== false) return;
    const detail = `No live node owns shard ${shard}; one takes it over when the last owner's lease has run out`;
    items.unshift({ rule: "NO_OWNER", since: items[0]!.since, detail });
  }
}

/** A row as the API gives it: a column that is null is left out. */
export function withoutNulls<Row extends object>(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Row;
}
