/** The verbs on templates. Those that change something need an open transaction; every one takes `db` first. */
import type { Json } from "../../engine/index.ts";
import { canonicalJson } from "../../foundation/canonical_json.ts";
import type { Db } from "../../foundation/database/index.ts";
import type { AppError, InputError } from "../../foundation/errors.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import { isVersion, nextVersion, versionOrder } from "../../foundation/semantic_version.ts";
import { type Creation, createDefinition, validateDefinition } from "../create.ts";
import type { IsUsed } from "../lifecycle.ts";
import { isRecord, shown } from "../validate/pointer.ts";
import { checkTemplate, contentOf, placeOf } from "./check.ts";
import { templateErrors } from "./errors.ts";
import { fillTemplate } from "./fill.ts";
import { gallery } from "./gallery/gallery.ts";
import { readParameters, type Values } from "./parameters.ts";
import * as queries from "./queries.ts";
import {
  summaryOf,
  summaryOfBuiltin,
  type TemplateSummary,
  type TemplateView,
  viewOf,
  viewOfBuiltin,
} from "./views.ts";

/** Faults of one answer. */
const maxErrors = 100;

export interface NewTemplate {
  namespace: string;
  name: string;
  description?: string;
  category?: string;
  version?: string;
  templateData: Readonly<Record<string, unknown>>;
  parameters?: Readonly<Record<string, unknown>>;
  isActive?: boolean;
  createdBy: string;
}

/**
 * Stores a version of a template. The same content again (document and parameters) changes nothing but what is given
 * of description, category and whether it is active; other content under a version is refused, for definitions name
 * the template that they came from. Without a version: as the highest when its content is the same, else the next minor.
 */
export async function createTemplate(
  tx: Db,
  given: NewTemplate,
): Promise<{ created: boolean; template: TemplateView; warnings: InputError[] }> {
  const { namespace, name, templateData, parameters = {} } = given;
  refuseBuiltin(gallery.get(name), "is the name of a built-in template");
  const { errors, warnings } = checkTemplate({ templateData, parameters });
  if (given.version !== undefined && !isVersion(given.version)) {
    const message = `${shown(given.version)} is not a semantic version`;
    errors.unshift({ pointer: "/version", message, expected: 'three numbers, such as "1.0.0"' });
  }
  if (errors.length > 0) {
    throw templateErrors.template_invalid(`The template has ${errors.length} fault(s).`, { errors });
  }
  await tx.query(queries.lockName, [namespace, name]);
  const { version, existing } = await placeInVersions(tx, given);
  if (existing !== undefined) {
    const { description, category, isActive } = given;
    return { created: false, template: await change(tx, existing, { description, category, isActive }), warnings };
  }
  const id = uuidv7(Date.now());
  await tx.execute(queries.insertTemplate, [
    id,
    namespace,
    name,
    given.description ?? null,
    given.category ?? null,
    version,
    versionOrder(version),
    JSON.stringify(templateData),
    JSON.stringify(parameters),
    given.isActive ?? true,
    given.createdBy,
  ]);
  return { created: true, template: await readOwn(tx, { namespace, id }), warnings };
}

/** The version that a template is, and the row that has it with the same content. */
async function placeInVersions(
  tx: Db,
  { namespace, name, version, templateData, parameters = {} }: NewTemplate,
): Promise<{ version: string; existing?: TemplateView }> {
  const isSame = (row: queries.TemplateRow) =>
    canonicalJson([row.templateData, row.parameters]) === canonicalJson([templateData, parameters]);
  if (version !== undefined) {
    const [row] = await tx.query<queries.TemplateRow>(queries.readTemplateVersion, [
      namespace,
      name,
      versionOrder(version),
    ]);
    if (row === undefined) return { version };
    if (isSame(row)) return { version, existing: viewOf(row) };
    const message = `Version ${version} of the template ${name} has other content; give another version.`;
    throw templateErrors.version_exists(message, { details: { id: row.id, name, version } });
  }
  const [highest] = await tx.query<queries.TemplateRow>(queries.readHighestTemplate, [namespace, name]);
  if (highest !== undefined && isSame(highest)) return { version: highest.version, existing: viewOf(highest) };
  const next = nextVersion(highest?.version);
  if (next !== undefined) return { version: next };
  const message = `No version can follow ${highest?.version}`;
  throw templateErrors.template_invalid(`${message}.`, {
    errors: [{ pointer: "/version", message, expected: "a version" }],
  });
}

export interface Reference {
  namespace: string;
  /** An id, or a name: then the highest active version, or the highest when none is active. */
  ref: string;
}

/** Throws `template_not_found`. */
export async function getTemplate(db: Db, { namespace, ref }: Reference): Promise<TemplateView> {
  if (isUuid(ref)) {
    const [row] = await db.query<queries.TemplateRow>(queries.readTemplate, [namespace, ref.toLowerCase()]);
    if (row !== undefined) return viewOf(row);
  }
  const [row] = await db.query<queries.TemplateRow>(queries.readTemplateByName, [namespace, ref]);
  if (row !== undefined) return viewOf(row);
  const builtin = gallery.get(ref);
  if (builtin !== undefined) return viewOfBuiltin(builtin);
  throw notFound(ref);
}

export interface Change {
  /** null: none. Absent: as it is. */
  description?: string | null;
  category?: string | null;
  isActive?: boolean;
}

export async function changeTemplate(tx: Db, reference: Reference, wanted: Change): Promise<TemplateView> {
  return await change(tx, await getOwn(tx, reference), wanted);
}

async function change(tx: Db, template: TemplateView, wanted: Change): Promise<TemplateView> {
  const { id, namespace = "" } = template;
  const { description = template.description, category = template.category, isActive = template.isActive } = wanted;
  const isSame =
    (description ?? undefined) === template.description &&
    (category ?? undefined) === template.category &&
    isActive === template.isActive;
  if (isSame) return template;
  await tx.execute(queries.changeTemplate, [namespace, id, description ?? null, category ?? null, isActive]);
  return await readOwn(tx, { namespace, id });
}

/** Definitions that were made of it stay. */
export async function deleteTemplate(tx: Db, reference: Reference): Promise<void> {
  const { id } = await getOwn(tx, reference);
  await tx.execute(queries.deleteTemplate, [reference.namespace, id]);
}

export interface Filter extends queries.ListFilter {
  builtin?: boolean;
  /** The name after which to go on among the built-in ones. */
  after?: string;
}

/** The namespace's own, newest first, then the built-in ones by name. `next` is where the next page begins. */
export async function listTemplates(
  db: Db,
  { builtin, after, ...filter }: Filter,
): Promise<{ items: TemplateSummary[]; next: string | undefined }> {
  const skipsOwn = builtin === true || after !== undefined;
  const rows = skipsOwn ? [] : await queries.listTemplateRows(db, { ...filter, limit: filter.limit + 1 });
  const own = rows.map(summaryOf);
  const rest = builtin === false || own.length > filter.limit ? [] : builtinsFor(filter, after);
  const found = [...own, ...rest];
  const items = found.slice(0, filter.limit);
  return { items, next: found.length > filter.limit ? items.at(-1)?.id : undefined };
}

function builtinsFor({ category, active, name }: queries.ListFilter, after = ""): TemplateSummary[] {
  if (active === false) return [];
  const part = name?.toLowerCase() ?? "";
  return [...gallery.values()]
    .filter((one) => one.name > after && one.name.includes(part) && (category ?? one.category) === one.category)
    .map(summaryOfBuiltin);
}

export interface Instantiation extends Reference {
  isUsed: IsUsed;
  workflowId: string;
  parameters?: Readonly<Record<string, unknown>>;
  name?: string;
  version?: string;
  status?: "draft" | "active";
  createdBy: string;
}

/**
 * Makes a definition of a template and stores it; see `createDefinition`. Throws `parameters_invalid` for parameters
 * that do not fit, with pointers from `/parameters`, also when only the definition that they make shows it.
 */
export async function instantiateTemplate(tx: Db, what: Instantiation): Promise<Creation> {
  const { document } = await fillIn(tx, what);
  const { isUsed, namespace, createdBy } = what;
  return await createDefinition(tx, { isUsed, namespace, document, createdBy });
}

/** The definition that `instantiateTemplate` would store. */
export async function previewTemplate(
  db: Db,
  what: Instantiation,
): Promise<{ definition: Record<string, unknown>; warnings: InputError[] }> {
  const { document, warnings } = await fillIn(db, what);
  return { definition: document, warnings };
}

async function fillIn(
  db: Db,
  what: Instantiation,
): Promise<{ document: Record<string, unknown>; warnings: InputError[] }> {
  const template = await getTemplate(db, what);
  if (!template.isActive) {
    const message = `Version ${template.version} of the template ${template.name} is not active.`;
    throw templateErrors.template_inactive(message, { details: { id: template.id } });
  }
  const { values, errors } = readParameters(template.parameters, (what.parameters ?? {}) as Values);
  refuse(errors);
  const content = contentOf(template.templateData);
  const filled = fillTemplate({ document: content, parameters: values });
  refuse(filled.errors);
  const { workflowId, version, status } = what;
  const made: Record<string, Json> = isRecord(filled.document) ? (filled.document as Record<string, Json>) : {};
  const document = {
    ...made,
    workflowId,
    name: what.name ?? made.name ?? workflowId,
    templateId: template.id,
    ...(version === undefined ? {} : { version }),
    ...(status === undefined ? {} : { status }),
  };
  const validation = validateDefinition(document);
  refuse(
    validation.errors.map((fault) => blame(fault, (pointer) => placeOf(pointer, { ...filled, content }).parameters)),
  );
  return { document, warnings: validation.warnings };
}

/** A fault of the definition as one of what was sent: its name or version, or the parameter that brought it. */
function blame(
  { pointer, message, expected }: InputError,
  parametersOf: (pointer: string) => readonly string[],
): InputError {
  if (["/workflowId", "/version", "/status"].includes(pointer)) return { pointer, message, expected };
  const [parameter = "/parameters"] = parametersOf(pointer);
  return { pointer: parameter, message: `${message} (in ${pointer || "the whole"} of the definition)`, expected };
}

function refuse(errors: InputError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  const detail = errors.length === 1 ? `${first.pointer} ${first.message}` : `there are ${errors.length} faults`;
  const message = `The template cannot be used with these parameters: ${detail}.`;
  throw templateErrors.parameters_invalid(message, { errors: errors.slice(0, maxErrors) });
}

/** A template that can be changed. */
async function getOwn(db: Db, reference: Reference): Promise<TemplateView> {
  const template = await getTemplate(db, reference);
  if (template.builtin) refuseBuiltin(template, "is a built-in template");
  return template;
}

async function readOwn(db: Db, { namespace, id }: { namespace: string; id: string }): Promise<TemplateView> {
  const [row] = await db.query<queries.TemplateRow>(queries.readTemplate, [namespace, id]);
  if (row === undefined) throw notFound(id);
  return viewOf(row);
}

function refuseBuiltin(builtin: { name: string } | undefined, why: string): void {
  if (builtin === undefined) return;
  throw templateErrors.builtin_fixed(`${builtin.name} ${why}; make one of your own under another name.`);
}

function notFound(ref: string): AppError {
  return templateErrors.template_not_found(`There is no template ${ref.slice(0, 255)}.`);
}
