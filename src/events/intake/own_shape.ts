/** Events in our own shape. */
import type { Json } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { compileBodyCheck } from "../../foundation/http/index.ts";
import { nameFault } from "../names.ts";
import { type PublishBody, publishRequest } from "./contract.ts";
import { instantOf } from "./instant.ts";
import { metadataFault, type Read, sourceKeyFault } from "./submitted.ts";

const check = compileBodyCheck(publishRequest);

/** Reads one event that stands at `pointer` of what was sent. */
export function readOwnShape(value: unknown, pointer: string): Read {
  const shapeErrors = check(value);
  if (shapeErrors.length > 0) {
    return { errors: shapeErrors.map((fault) => ({ ...fault, pointer: pointer + fault.pointer })) };
  }
  // The check has just shown that it is one.
  const { eventId, pattern, payload = null, source, timestamp, partitionKey, metadata } = value as PublishBody;
  const errors: InputError[] = [];
  const name = nameFault(pattern);
  if (name !== undefined) errors.push({ pointer: `${pointer}/pattern`, ...name });
  const happenedAt = timestamp === undefined ? undefined : instantOf(timestamp);
  if (timestamp !== undefined && happenedAt === undefined) {
    const message = `${JSON.stringify(timestamp)} is no instant`;
    errors.push({ pointer: `${pointer}/timestamp`, message, expected: 'such as "2026-01-31T09:15:00Z"' });
  }
  const sourceKey = source === undefined ? undefined : sourceKeyOf(source);
  if (sourceKey !== undefined) errors.push(...sourceKeyFault(sourceKey, `${pointer}/source/id`));
  if (metadata !== undefined) errors.push(...metadataFault(metadata, `${pointer}/metadata`));
  if (errors.length > 0) return { errors };
  return {
    submitted: {
      event: {
        pattern,
        payload: payload as Json,
        ...(eventId !== undefined && { eventId }),
        ...(source !== undefined && { source }),
        ...(sourceKey !== undefined && { sourceKey }),
        ...(happenedAt !== undefined && { timestamp: happenedAt }),
        ...(partitionKey !== undefined && { partitionKey }),
        ...(metadata !== undefined && { metadata: metadata as { [name: string]: Json } }),
      },
      at: { name: `${pointer}/pattern`, payload: `${pointer}/payload`, source: `${pointer}/source` },
    },
  };
}

/** An external source is known by its id, as the source of a CloudEvent is; others by their type too. */
function sourceKeyOf({ type, id }: { type: string; id?: string }): string | undefined {
  if (id === undefined) return undefined;
  return type === "external" ? id : `${type}:${id}`;
}
