/**
 * The archive: instances are written to files before they are removed, one line of JSON each, with what is left of their
 * history, their transitions and their log.
 *
 * A file is complete and on the disk before the first of its instances is deleted. A crash in between leaves both, and the
 * next round writes the instances again; nothing is deleted that was not written.
 */

import { mkdir } from "node:fs/promises";
import type { Db, Statement } from "../../foundation/database/index.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import type { Logger } from "../../foundation/log.ts";
import type { Json } from "../machine/definition.ts";
import { putInPlace, referencesIn } from "../payloads.ts";
import * as sql from "../queries/archive.ts";
import { readPayloads } from "../queries/work.ts";
import { type ArchiveFile, createArchiveFile, removeAbandoned } from "./archive_file.ts";

export interface Archive {
  /** Writes instances that are there, a file for each week in which they began; resolves when the files will last. */
  write(db: Db, instances: readonly Archived[]): Promise<void>;
  /** Writes what a week has that is expired, in one file. */
  writeWeek(db: Db, week: ArchivedWeek): Promise<void>;
  /** Old weeks that were written and are not removed yet, with the instants as of which they were. */
  readonly written: Map<string, AsOf>;
}

export interface Archived {
  shard: number;
  id: string;
}

/** Where the node's retention begins, and the present moment: as of which instances are expired. */
export interface AsOf {
  horizon: string;
  at: string;
}

export interface ArchivedWeek extends AsOf {
  beginsAt: string;
  endsAt: string;
  signal: AbortSignal;
}

/** Instances whose rows are read together, and rows of a kind that are read of each at once: memory holds no more. */
const instancesPage = 25;
const rowsPage = 100;
const zeroId = "00000000-0000-0000-0000-000000000000";

interface Row {
  instanceId: string;
  cursor: string;
  text: string;
}

const parts: readonly { name: string; statement: Statement }[] = [
  { name: "history", statement: sql.readArchivedSteps },
  { name: "transitions", statement: sql.readArchivedTransitions },
  { name: "log", statement: sql.readArchivedLogs },
];

export function createArchive({ dir, log }: { dir: string; log: Logger }): Archive {
  return {
    written: new Map(),

    async write(db, instances) {
      await inFiles(async (writeTo) => {
        for (let at = 0; at < instances.length; at += instancesPage)
          await writePage(db, instances.slice(at, at + instancesPage), writeTo);
      });
    },

    async writeWeek(db, { beginsAt, endsAt, horizon, at, signal }) {
      await inFiles(async (writeTo) => {
        for (let after: Archived = { shard: -1, id: zeroId }; ; ) {
          signal.throwIfAborted();
          const values = [after.shard, after.id, beginsAt, endsAt, instancesPage, horizon, at];
          const page = await db.query<Archived>(sql.readExpiredOfWeek, values);
          await writePage(db, page, writeTo);
          if (page.length < instancesPage) return;
          after = page.at(-1)!;
        }
      });
    },
  };

  /** Files are made when the first line of their week comes, and all of them are finished or none is. */
  async function inFiles(work: (writeTo: (week: string) => Promise<ArchiveFile>) => Promise<void>): Promise<void> {
    const files = new Map<string, ArchiveFile>();
    await mkdir(dir, { recursive: true });
    await removeAbandoned(dir);
    try {
      await work(async (week) => {
        let file = files.get(week);
        if (file === undefined) {
          file = await createArchiveFile(dir, `instances-${week}-${uuidv7(Date.now())}.jsonl.gz`);
          files.set(week, file);
        }
        return file;
      });
      for (const file of files.values())
        log.info({ file: await file.finish() }, "instances were written to the archive");
    } catch (error) {
      for (const file of files.values()) await file.discard();
      throw error;
    }
  }
}

async function writePage(
  db: Db,
  instances: readonly Archived[],
  writeTo: (week: string) => Promise<ArchiveFile>,
): Promise<void> {
  if (instances.length === 0) return;
  const owners = [instances.map(({ shard }) => shard), instances.map(({ id }) => id)];
  const rows = await db.query<Archived & { week: string; text: string }>(sql.readArchivedInstances, owners);
  const first = new Map<string, Map<string, Row[]>>();
  for (const { name, statement } of parts) {
    const values = [...owners, instances.map(() => null), rowsPage];
    first.set(
      name,
      Map.groupBy(await db.query<Row>(statement, values), ({ instanceId }) => instanceId),
    );
  }
  for (const { shard, id, week, text } of rows) {
    const owner = { shard, id };
    const file = await writeTo(week);
    await file.write(`{"instance":${await whole(db, owner, text)}`);
    for (const { name, statement } of parts) {
      await file.write(`,"${name}":[`);
      let page = first.get(name)!.get(id) ?? [];
      for (let written = 0; ; ) {
        for (const row of page) await file.write((written++ === 0 ? "" : ",") + (await whole(db, owner, row.text)));
        if (page.length < rowsPage) break;
        page = await db.query<Row>(statement, [[shard], [id], [page.at(-1)!.cursor], rowsPage]);
      }
      await file.write("]");
    }
    await file.write("}\n");
  }
}

/** The text with large values in the place of their references. Few rows have any. */
async function whole(db: Db, owner: Archived, text: string): Promise<string> {
  if (!text.includes('"$payload"')) return text;
  const value = JSON.parse(text) as Json;
  const ids = referencesIn(value);
  if (ids.length === 0) return text;
  const found = await db.query<{ id: string; body: Json }>(readPayloads, [owner.shard, owner.id, ids]);
  return JSON.stringify(putInPlace(value, new Map(found.map(({ id, body }) => [id, body]))));
}
