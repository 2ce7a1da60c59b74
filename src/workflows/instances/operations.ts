/** The verbs on instances that the engine leaves to this room: what a start must fulfil before the engine is asked. */
import type { Engine, InstanceView, Json, StartAnswer, StartRequest } from "../../engine/index.ts";
import { isUuid } from "../../foundation/ids.ts";
import { compileSchema } from "../../foundation/json_schema/index.ts";
import { instanceErrors } from "./errors.ts";

/** What this half needs to know of definitions; `app.ts` hands it over. */
export interface StartableDefinitions {
  /** The version that a start means; refuses what cannot be started. */
  resolve(reference: { namespace: string; ref: string; version?: string }): Promise<{ definitionId: string }>;
  load(definitionId: string): Promise<{ inputSchema?: Json }>;
}

export interface Instances {
  engine: Engine;
  definitions: StartableDefinitions;
}

/**
 * Starts an instance. Refuses with `instances.input_invalid`, and every fault with its pointer from `/input`, an input
 * that the definition's schema does not accept.
 */
export async function startInstance(
  { engine, definitions }: Instances,
  request: StartRequest & { version?: string },
): Promise<StartAnswer> {
  const { namespace, definitionId: ref, version } = request;
  const { definitionId } = await definitions.resolve({ namespace, ref, version });
  const { inputSchema } = await definitions.load(definitionId);
  if (inputSchema !== undefined) {
    const faults = compileSchema(inputSchema).validate(request.input);
    if (faults.length > 0) {
      const errors = faults.map((fault) => ({ ...fault, pointer: `/input${fault.pointer}` }));
      const [{ pointer, message } = { pointer: "", message: "" }] = errors;
      const detail = errors.length === 1 ? `${pointer} ${message}` : `it has ${errors.length} faults`;
      throw instanceErrors.input_invalid(`The input does not fit the workflow's inputSchema: ${detail}.`, { errors });
    }
  }
  return await engine.startInstance(request);
}

/** Throws `instances.instance_not_found` for ids that cannot be one, before anybody asks the database. */
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
  return instanceErrors.instance_not_found(`There is no instance ${instanceId.slice(0, 64)} in this namespace.`);
}
