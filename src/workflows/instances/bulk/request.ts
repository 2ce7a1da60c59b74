/** What a request for a bulk operation means; each fault is told with its pointer. */
import type { z } from "zod";
import type { InputError } from "../../../foundation/errors.ts";
import type { bulkRequest } from "../contract_bulk.ts";
import { instanceErrors } from "../errors.ts";
import { instantOf, priorityOf, statusesOf } from "../request.ts";
import { type BulkAction, type BulkFilter, type BulkParameters, parametersOf, requiredOf } from "./model.ts";

export interface BulkWish {
  action: BulkAction;
  parameters: BulkParameters;
  /** Which instances: those that a filter finds, or these, each once and the newest first. */
  target: { filter: BulkFilter } | { ids: string[] };
}

type Body = z.output<typeof bulkRequest>;

const parameterNames = [
  "reason",
  "compensate",
  "fromStepId",
  "stepId",
  "priority",
] as const satisfies (keyof BulkParameters)[];

/** Throws `instances.request_invalid` for what the schema cannot say: fields that do not go together, empty filters. */
export function bulkWishOf(body: Body): BulkWish {
  const { action } = body;
  const errors = [...targetFaults(body), ...parameterFaults(body)];
  if (errors.length > 0) {
    const [first] = errors;
    const place = first!.pointer === "" ? "The body" : first!.pointer;
    const detail =
      errors.length === 1 ? `${place} ${first!.message}.` : `The request has ${errors.length} faults; see errors.`;
    throw instanceErrors.request_invalid(detail, { errors });
  }
  const { reason, compensate, fromStepId, stepId } = body;
  const priority = priorityOf(body.priority);
  const parameters = present({ reason, compensate, fromStepId, stepId, priority });
  if (body.ids !== undefined) {
    const ids = [...new Set(body.ids.map((id) => id.toLowerCase()))].sort().reverse();
    return { action, parameters, target: { ids } };
  }
  return { action, parameters, target: { filter: filterOf(body.filter!) } };
}

function targetFaults({ filter, ids }: Body): InputError[] {
  const expected = "filter or ids, one of them";
  if (filter === undefined && ids === undefined) return [{ pointer: "", message: "names no instances", expected }];
  if (filter !== undefined && ids !== undefined)
    return [{ pointer: "/ids", message: "comes beside a filter", expected }];
  if (filter !== undefined && Object.values(filter).every((value) => value === undefined)) {
    return [
      { pointer: "/filter", message: "is empty, which would mean every instance", expected: "at least one filter" },
    ];
  }
  return [];
}

function parameterFaults(body: Body): InputError[] {
  const { action } = body;
  const required = requiredOf[action];
  return parameterNames.flatMap((name): InputError[] => {
    const given = body[name] !== undefined;
    if (given && !parametersOf[action].includes(name)) {
      const owner = Object.entries(parametersOf).find(([, names]) => names.includes(name))![0];
      return [
        { pointer: `/${name}`, message: `is no parameter of ${action}`, expected: `nothing; it belongs to ${owner}` },
      ];
    }
    if (given || required !== name) return [];
    return [{ pointer: `/${name}`, message: "is required", expected: `what ${action} needs` }];
  });
}

function filterOf(filter: NonNullable<Body["filter"]>): BulkFilter {
  const { definitionId, correlationId, parentInstanceId } = filter;
  return present({
    status: statusesOf(filter.status, "/filter/status"),
    definitionId,
    correlationId,
    startedAfter: instantOf(filter.startedAfter, "/filter/startedAfter"),
    startedBefore: instantOf(filter.startedBefore, "/filter/startedBefore"),
    parentInstanceId: parentInstanceId?.toLowerCase(),
  });
}

function present<T extends object>(whole: T): T {
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined)) as T;
}
