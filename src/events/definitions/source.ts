/**
 * Definitions as the intake needs them: those of some names, as they are now, without reading them each time.
 *
 * A definition that was committed before a publish began must check it, on whatever node; a time for which answers are
 * good would break that. So every publish compares the revision of its namespace, which each change of a definition
 * raises in its own transaction. That is one row by its primary key, and one read serves all publishes that began before
 * it: while a read is under way, those that come wait for the next one together. The definitions themselves are read when
 * the revision is another, and only those of the names that are asked for.
 */
import type { Json } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { type CompiledSchema, compileSchema } from "../../foundation/json_schema/index.ts";
import type { ValidationMode } from "../settings/model.ts";
import { type RevisionRow, readRevisions } from "../settings/queries.ts";
import type { SourceType } from "../source.ts";
import { type LatestRow, readLatestOfNames } from "./queries.ts";

export interface KnownDefinition {
  id: string;
  version: string;
  sourceTypes: readonly SourceType[] | null;
  /** Null: any payload fits. */
  schema: CompiledSchema | null;
}

export interface Checks {
  validation: ValidationMode;
  /** The latest active version by the name of the events. */
  definitions: ReadonlyMap<string, KnownDefinition>;
}

export interface DefinitionSource {
  /** How a namespace checks events of these names, at a moment after the call. */
  checksFor(namespace: string, names: readonly string[]): Promise<Checks>;
}

/** Names and namespaces that are remembered, with or without a definition; beyond that all are forgotten. */
const mostNames = 2_000;

interface Remembered {
  revision: string;
  byName: Map<string, KnownDefinition | null>;
}

const none: ReadonlyMap<string, KnownDefinition> = new Map();

export function createDefinitionSource(db: Db): DefinitionSource {
  const revisionOf = createRevisionReader(db);
  const remembered = new Map<string, Remembered>();

  /** What was learnt of a namespace under this revision. What is read later may be newer, never older. */
  function memoryOf(namespace: string, revision: string): Remembered {
    const known = remembered.get(namespace);
    if (known?.revision === revision) return known;
    const fresh = { revision, byName: new Map<string, KnownDefinition | null>() };
    remembered.set(namespace, fresh);
    return fresh;
  }

  async function learn(namespace: string, names: readonly string[], { byName }: Remembered): Promise<void> {
    const rows = await db.query<LatestRow>(readLatestOfNames, [namespace, names]);
    const total = [...remembered.values()].reduce((sum, one) => sum + one.byName.size + 1, 0);
    if (total + names.length > mostNames) remembered.clear();
    for (const name of names) byName.set(name, null);
    for (const row of rows) byName.set(row.pattern, knownOf(row));
  }

  return {
    async checksFor(namespace, names) {
      const now = await revisionOf(namespace);
      if (now === undefined) return { validation: "open", definitions: none };
      const memory = memoryOf(namespace, now.revision);
      const missing = [...new Set(names)].filter((name) => !memory.byName.has(name));
      if (missing.length > 0) await learn(namespace, missing, memory);
      const definitions = new Map<string, KnownDefinition>();
      for (const name of names) {
        const definition = memory.byName.get(name);
        if (definition != null) definitions.set(name, definition);
      }
      return { validation: now.validation, definitions };
    },
  };
}

function knownOf({ id, version, sourceTypes, payloadSchema }: LatestRow): KnownDefinition {
  const schema = isNothing(payloadSchema) ? null : compileSchema(payloadSchema);
  return { id, version, sourceTypes, schema };
}

/** No schema, or one that any value fits. */
function isNothing(schema: Json): boolean {
  return schema === null || schema === true;
}

/** Reads revisions: one read at a time, each for all who asked before it was sent. */
function createRevisionReader(db: Db): (namespace: string) => Promise<RevisionRow | undefined> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: { namespaces: Set<string>; answer: Promise<Map<string, RevisionRow>> } | undefined;

  async function read(namespaces: Set<string>): Promise<Map<string, RevisionRow>> {
    // From here on whoever asks needs another read: this one may see what was before.
    next = undefined;
    const rows = await db.query<RevisionRow>(readRevisions, [[...namespaces]]);
    return new Map(rows.map((row) => [row.namespace, row]));
  }

  return async (namespace) => {
    if (next === undefined) {
      const namespaces = new Set<string>();
      const answer = underWay.then(() => read(namespaces));
      underWay = answer.catch(() => undefined);
      next = { namespaces, answer };
    }
    next.namespaces.add(namespace);
    return (await next.answer).get(namespace);
  };
}
