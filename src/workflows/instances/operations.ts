/** The verbs on instances that the engine leaves to this room: what a start must fulfil before the engine is asked. */
import {
  type Engine,
  engineErrors,
  type InstanceView,
  type Json,
  type StartAnswer,
  type StartRequest,
} from "../../engine/index.ts";
import { isUuid } from "../../foundation/ids.ts";
import { compileSchema } from "../../foundation/json_schema/index.ts";
import { instanceErrors } from "./errors.ts";

export interface Instances {
  engine: Engine;
  /** The definition that an instance runs, by its id; `app.ts` hands it over. */
  load(definitionId: string): Promise<{ inputSchema?: Json }>;
}

/**
 * Starts an instance. Refuses with `instances.input_invalid`, and every fault with its pointer from `/input`, an input
 * that the schema of the version that would run does not accept.
 */
export function startInstance({ engine, load }: Instances, request: Omit<StartRequest, "check">): Promise<StartAnswer> {
  return engine.startInstance({
    ...request,
    async check(definitionId) {
      const { inputSchema } = await load(definitionId);
      if (inputSchema !== undefined) refuseMisfit(inputSchema, request.input);
    },
  });
}

function refuseMisfit(inputSchema: Json, input: Json): void {
  const faults = compileSchema(inputSchema).validate(input);
  const [first] = faults;
  if (first === undefined) return;
  const errors = faults.map((fault) => ({ ...fault, pointer: `/input${fault.pointer}` }));
  const detail = faults.length === 1 ? `/input${first.pointer} ${first.message}` : `it has ${faults.length} faults`;
  throw instanceErrors.input_invalid(`The input does not fit the workflow's inputSchema: ${detail}.`, { errors });
}

/** Throws `engine.instance_not_found` for ids that cannot be one, before anybody asks the database. */
export function instanceIdOf(text: string): string {
  if (!isUuid(text)) throw notFound(text);
  return text.toLowerCase();
}

export async function getInstance(
  { engine }: Pick<Instances, "engine">,
  what: { namespace: string; instanceId: string },
): Promise<InstanceView> {
  const view = await engine.getInstance(what);
  if (view === undefined) throw notFound(what.instanceId);
  return view;
}

function notFound(instanceId: string): Error {
  return engineErrors.instance_not_found(`There is no instance ${instanceId.slice(0, 64)} in this namespace.`);
}
