/** The verbs on instances that the engine leaves to this room: what requests must fulfil before the engine is asked. */
import {
  type Definition,
  type Engine,
  engineErrors,
  type InstanceView,
  type Json,
  type MigrateAnswer,
  type MigrateRequest,
  type RestartRequest,
  type StartAnswer,
  type StartRequest,
} from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";
import { isUuid } from "../../foundation/ids.ts";
import { compileSchema } from "../../foundation/json_schema/index.ts";
import type { Logger } from "../../foundation/log.ts";
import { resolveDefinition } from "../read.ts";
import { instanceErrors } from "./errors.ts";
import { variableFaults } from "./variables.ts";

export interface Instances {
  db: Database;
  engine: Engine;
  log: Logger;
  /** The definition that an instance runs, by its id; `app.ts` hands it over. */
  load(definitionId: string): Promise<Pick<Definition, "inputSchema" | "variables" | "steps">>;
}

/**
 * Starts an instance. Refuses with `instances.input_invalid`, and every fault with its pointer from `/input`, an input
 * that the schema of the version that would run does not accept; with `instances.variables_invalid`, and pointers from
 * `/variables`, variables that it does not declare so.
 */
export function startInstance(
  { engine, load }: Pick<Instances, "engine" | "load">,
  request: Omit<StartRequest, "check">,
): Promise<StartAnswer> {
  return engine.startInstance({
    ...request,
    async check(definitionId) {
      await checkInput({ load }, definitionId, request.input);
      if (request.variables === undefined) return;
      const { variables = {} } = await load(definitionId);
      refuseVariables(variables, request.variables);
    },
  });
}

/** Refuses an input that the version's schema does not accept. */
export async function checkInput({ load }: Pick<Instances, "load">, definitionId: string, input: Json): Promise<void> {
  const { inputSchema } = await load(definitionId);
  if (inputSchema !== undefined) refuseMisfit(inputSchema, input);
}

type OfVersion<Request> = Omit<Request, "check" | "definitionId">;

/**
 * Starts a new instance from a step of another one. What it is given is checked as the input of a start, and so is the
 * origin's where another version is to run; versions are refused as by `migrateInstance`.
 */
export async function restartInstance(
  instances: Pick<Instances, "db" | "engine" | "load">,
  { version, ...request }: OfVersion<RestartRequest> & { version?: string },
): Promise<StartAnswer> {
  const { input: given } = request;
  const other = version === undefined ? undefined : await versionOf(instances, { ...request, version });
  const input = given === undefined ? other?.view.input : given;
  return await instances.engine.restart({
    ...request,
    ...(other !== undefined && { definitionId: other.definitionId }),
    async check(definitionId) {
      if (input !== undefined) await checkInput(instances, definitionId, input);
    },
  });
}

/**
 * Lets a running instance go on with another version of its workflow. Throws `workflows.definition_not_found` for a
 * version that there is not, and what a start of that version would be refused with.
 */
export async function migrateInstance(
  instances: Pick<Instances, "db" | "engine">,
  { version, ...request }: OfVersion<MigrateRequest> & { version: string },
): Promise<MigrateAnswer> {
  const { definitionId } = await versionOf(instances, { ...request, version });
  return await instances.engine.migrate({ ...request, definitionId });
}

/** A version of the workflow that an instance is of, and the instance. */
async function versionOf(
  { db, engine }: Pick<Instances, "db" | "engine">,
  { namespace, instanceId, version }: { namespace: string; instanceId: string; version: string },
): Promise<{ definitionId: string; view: InstanceView }> {
  const view = await getInstance({ engine }, { namespace, instanceId });
  const { id: definitionId } = await resolveDefinition(db, { namespace, ref: view.workflowId, version });
  return { definitionId, view };
}

function refuseMisfit(inputSchema: Json, input: Json): void {
  const faults = compileSchema(inputSchema).validate(input);
  const [first] = faults;
  if (first === undefined) return;
  const errors = faults.map((fault) => ({ ...fault, pointer: `/input${fault.pointer}` }));
  const detail = faults.length === 1 ? `/input${first.pointer} ${first.message}` : `it has ${faults.length} faults`;
  throw instanceErrors.input_invalid(`The input does not fit the workflow's inputSchema: ${detail}.`, { errors });
}

function refuseVariables(declared: NonNullable<Definition["variables"]>, given: { [name: string]: Json }): void {
  const errors = variableFaults(declared, given);
  const [first] = errors;
  if (first === undefined) return;
  const detail = errors.length === 1 ? `${first.pointer} ${first.message}` : `there are ${errors.length} faults`;
  throw instanceErrors.variables_invalid(`The variables are not as the workflow declares them: ${detail}.`, { errors });
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

export function notFound(instanceId: string): Error {
  return engineErrors.instance_not_found(`There is no instance ${instanceId.slice(0, 64)} in this namespace.`);
}
