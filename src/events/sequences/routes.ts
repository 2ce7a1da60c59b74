/** `/api/v1/event-sequences`. Each route reads by the contract, calls one operation and answers. */
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import * as operations from "./operations.ts";
import { newSequenceOf } from "./request.ts";

const base = "/api/v1/event-sequences";
const tags = ["Event sequences"];
const read = "events:read";
const publish = "events:publish";
const notFound = "There is no such sequence in this namespace.";

/** `wake` tells this node's worker that there is something to do. */
export function addSequenceRoutes(http: HttpServer, parts: operations.SequenceParts, wake: () => void): void {
  const { db } = parts;

  http.route({
    method: "POST",
    url: base,
    summary: "Create a sequence of events",
    description:
      "Events of one order are published together, those of the next when all before them are processed. It is started at " +
      "once unless `start` is false. The same request with the same `sequenceId` again gives the first answer.",
    tags,
    operationId: "createEventSequence",
    body: contract.createRequest,
    yaml: true,
    permission: publish,
    responses: {
      201: contract.sequenceResponse,
      200: contract.sequenceResponse,
      400: "The sequence has faults; `errors` lists all of them.",
      409: "Another sequence has this sequenceId.",
    },
    async handler({ body, namespace, caller, reply }) {
      const wanted = newSequenceOf(body);
      const { created, sequence } = await db.transaction((tx) =>
        operations.createSequence(tx, { namespace, createdBy: caller.id, wanted }),
      );
      wake();
      reply.code(created ? 201 : 200).header("location", `${base}/${sequence.id}`);
      return sequence;
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List sequences, newest first",
    tags,
    operationId: "listEventSequences",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.sequencePage, 400: "A filter cannot be understood." },
    async handler({ query: { cursor, ...filter }, namespace }) {
      const { items, next } = await operations.listSequences(db, { ...filter, namespace, before: idOfCursor(cursor) });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get a sequence and its members",
    tags,
    operationId: "getEventSequence",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.sequenceResponse, 404: notFound },
    handler: ({ params, namespace }) => operations.getSequence(db, { namespace, ref: params.id }),
  });

  const verbs = {
    start: ["Start a sequence that was only created", operations.startSequence],
    cancel: ["Publish nothing more of a sequence", operations.cancelSequence],
    resume: [
      "Look again at the members by which a sequence failed, and go on if they are well",
      operations.resumeSequence,
    ],
    fail: ["Leave a failed sequence as it is for good", operations.failSequence],
    retry: ["Route the members by which a sequence failed again, to the targets that failed", operations.retrySequence],
  } as const;
  for (const [verb, [summary, operation]] of Object.entries(verbs)) {
    http.route({
      method: "POST",
      url: `${base}/:id/${verb}`,
      summary,
      tags,
      operationId: `${verb}EventSequence`,
      params: contract.reference,
      permission: publish,
      responses: { 200: contract.sequenceResponse, 404: notFound, 409: "Its status does not allow it." },
      async handler({ params, namespace, caller }) {
        const sequence = await operation(parts, { namespace, ref: params.id, by: caller.id });
        wake();
        return sequence;
      },
    });
  }

  http.route({
    method: "POST",
    url: `${base}/:id/skip`,
    summary: "Pass over a member of a sequence, or those by which it failed",
    tags,
    operationId: "skipEventSequenceMember",
    params: contract.reference,
    body: contract.skipRequest,
    permission: publish,
    responses: { 200: contract.sequenceResponse, 404: notFound, 409: "Its status does not allow it." },
    async handler({ params, body, namespace }) {
      const sequence = await operations.skipMember(parts, { namespace, ref: params.id, position: body?.position });
      wake();
      return sequence;
    },
  });
}
