/** Which bodies are read, and by what. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { parseFormBody } from "./form_body.ts";
import { parseJsonBody } from "./json_body.ts";
import { contentTypeUnsupported } from "./problem.ts";
import { parseYamlBody } from "./yaml_body.ts";

const YAML_TYPES = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
const FORM_TYPE = "application/x-www-form-urlencoded";
const JSON_LIKE = /^application\/(json|[\w.-]+\+json)(?:;|$)/i;

/** What a route reads, as a refusal names it. */
export function acceptedTypes({ yaml, rawBody }: { yaml?: boolean; rawBody?: boolean } = {}): string[] {
  if (rawBody) return ["application/json", FORM_TYPE];
  return ["application/json", ...(yaml ? ["application/yaml"] : [])];
}

type Done = (error: Error | null, body?: unknown) => void;
type Parser = (request: FastifyRequest, body: Buffer, done: Done) => void;

/**
 * JSON for every route, YAML for those that ask for it; everything else is 415. A route that wants the bytes gets those of
 * JSON and of forms, unread.
 */
export function readBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  const readJson: Parser = (request, body, done) => {
    parse(() => {
      if (request.routeOptions.config.rawBody) return body;
      refuseOtherCharsets(request);
      return body.length === 0 ? undefined : parseJsonBody(body);
    }, done);
  };
  fastify.addContentTypeParser("application/json", { parseAs: "buffer" }, readJson);
  fastify.addContentTypeParser(/^application\/[\w.-]+\+json(?:;|$)/, { parseAs: "buffer" }, readJson);
  fastify.addContentTypeParser(FORM_TYPE, { parseAs: "buffer" }, (request, body: Buffer, done) => {
    parse(() => {
      const { config } = request.routeOptions;
      if (config.rawBody) return body;
      throw contentTypeUnsupported(acceptedTypes(config));
    }, done);
  });
  fastify.addContentTypeParser(YAML_TYPES, { parseAs: "buffer" }, (request, body: Buffer, done) => {
    parse(() => {
      const { config } = request.routeOptions;
      if (!config.yaml) throw contentTypeUnsupported(acceptedTypes(config));
      refuseOtherCharsets(request);
      return body.length === 0 ? undefined : parseYamlBody(body);
    }, done);
  });
}

/**
 * The value of bytes that a route of `rawBody` was given: JSON, or the fields of a form; null for no bytes. Throws as the
 * bodies of other routes do.
 */
export function readRawBody(body: Buffer, contentType: string | undefined): unknown {
  if (body.length === 0) return null;
  if (contentType === undefined || JSON_LIKE.test(contentType)) return parseJsonBody(body);
  return parseFormBody(body);
}

function parse(read: () => unknown, done: Done): void {
  let body: unknown;
  try {
    body = read();
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)));
    return;
  }
  done(null, body);
}

function refuseOtherCharsets({ headers }: FastifyRequest): void {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(headers["content-type"] ?? "")?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw contentTypeUnsupported(["application/json; charset=utf-8"]);
}
