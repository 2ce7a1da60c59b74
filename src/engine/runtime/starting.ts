/** Instances that something of this node starts beside its own rows: an event's trigger, a schedule. */

import type { ResolvedDefinition } from "../contract.ts";
import type { Json } from "../machine/definition.ts";
import type { Program } from "../machine/program.ts";
import { beginInstance } from "./beginning.ts";
import type { Core } from "./core.ts";
import { slotOf } from "./slots.ts";
import type { Turn, Turns } from "./turns.ts";
import { addPart, emptyWork, type Work } from "./work.ts";

export interface Prepared {
  definition: ResolvedDefinition;
  program: Program;
}

export interface StartBeside {
  shard: number;
  namespace: string;
  prepared: Prepared;
  input: Json;
  priority: number;
  correlationId: string | null;
  startedBy: string;
  /** The event that starts it. */
  trigger?: { id: string; acceptedAt: number };
  /** How many events led to it. */
  hops?: number;
}

export interface Starting {
  /**
   * Resolves what is to start and checks its input. Throws an AppError for what is refused. `fresh`: "latest" is resolved
   * anew.
   */
  prepare(what: { namespace: string; ref: string; version?: string; input: Json; fresh: boolean }): Promise<Prepared>;
  /**
   * Puts the instance into memory and its rows into `work`. Once that is written the turn has been committed; else the
   * resident is forgotten. The work is `stale` where "latest" is another version by then.
   */
  begin(work: Work, what: StartBeside): Turn;
}

export function createStarting(
  core: Core,
  turns: () => Turns,
  reactions: {
    resolve(what: { namespace: string; ref: string; version?: string; fresh?: boolean }): Promise<ResolvedDefinition>;
    check(definitionId: string, input: Json): Promise<void>;
  },
): Starting {
  return {
    async prepare({ input, ...what }) {
      let definition = await reactions.resolve(what);
      try {
        await reactions.check(definition.definitionId, input);
      } catch (error) {
        // What is remembered as the latest may not be it any more, and only the latest may refuse.
        if (what.fresh || definition.revision === undefined) throw error;
        definition = await reactions.resolve({ ...what, fresh: true });
        await reactions.check(definition.definitionId, input);
      }
      return { definition, program: await core.programs(definition.definitionId) };
    },

    begin(work, { prepared, ...what }) {
      const { shard, namespace, input, trigger, hops } = what;
      const { definition, program } = prepared;
      const startedAt = core.time.now();
      const id = core.newId(startedAt, slotOf(core, shard));
      const part = emptyWork({ shard, instanceId: id });
      const begun = beginInstance(turns(), part, {
        ...{ id, shard, namespace, program, startedAt, input },
        inputText: JSON.stringify(input),
        priority: what.priority,
        correlationId: what.correlationId,
        startedBy: what.startedBy,
        ...(trigger === undefined ? {} : { trigger }),
        ...(hops === undefined ? {} : { hops }),
      });
      if (definition.revision !== undefined) {
        const latest: [string, string, number] = [namespace, definition.workflowId, definition.revision];
        part.latest = latest;
        // What is asked whether it is stale is the whole.
        work.latest ??= latest;
      }
      addPart(work, part);
      return begun;
    },
  };
}
