/**
 * Definitions in memory, for those who start and run instances: a start by workflowId costs no statement here.
 *
 * Rows never change their content, so what `load` gave is right for ever. What "the latest" means does change: the answer
 * carries the head's revision, which the transaction of the start compares; when it has changed, the engine asks again
 * with `fresh`. Answers to an id or a version have no revision to compare and are read each time.
 */
import type { Definition } from "../engine/index.ts";
import type { Db } from "../foundation/database/index.ts";
import { loadDefinition, type Reference, resolveDefinition } from "./operations.ts";

export interface DefinitionCache {
  /** As `resolveDefinition`; `revision` is given when the latest was asked for. `fresh` passes the cache by. */
  resolve(what: Reference & { fresh?: boolean }): Promise<StartableDefinition>;
  /** As `loadDefinition`. The object is shared: do not change it. */
  load(definitionId: string): Promise<Definition & { id: string; namespace: string }>;
}

export interface StartableDefinition {
  definitionId: string;
  workflowId: string;
  revision?: number;
}

const maxResolved = 10_000;
const maxLoaded = 1_000;

export function createDefinitionCache(db: Db): DefinitionCache {
  const latest = new Recent<StartableDefinition>(maxResolved);
  const loaded = new Recent<Definition & { id: string; namespace: string }>(maxLoaded);

  const resolve = async (reference: Reference): Promise<StartableDefinition> => {
    const { id, workflowId, revision, followsLatest } = await resolveDefinition(db, reference);
    return followsLatest ? { definitionId: id, workflowId, revision } : { definitionId: id, workflowId };
  };

  return {
    async resolve({ fresh = false, ...reference }) {
      if (reference.version !== undefined) return await resolve(reference);
      const key = `${reference.namespace}\n${reference.ref}`;
      if (fresh) latest.forget(key);
      const found = await latest.get(key, () => resolve(reference));
      if (found.revision === undefined) latest.forget(key);
      return found;
    },
    load: (definitionId) => loaded.get(definitionId, () => loadDefinition(db, definitionId)),
  };
}

/** The last used answers. Those who ask for one that is on its way wait for it together; a failure is not kept. */
class Recent<T> {
  readonly #answers = new Map<string, Promise<T>>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key);
    const answer = known ?? ask();
    // Deleting first moves the entry to the young end of the map.
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    if (known !== undefined) return answer;
    if (this.#answers.size > this.#max) this.#answers.delete(this.#answers.keys().next().value!);
    answer.catch(() => {
      if (this.#answers.get(key) === answer) this.#answers.delete(key);
    });
    return answer;
  }

  forget(key: string): void {
    this.#answers.delete(key);
  }
}
