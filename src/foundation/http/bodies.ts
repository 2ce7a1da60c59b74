/** Which bodies are read, and by what. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { parseJsonBody } from "./json_body.ts";
import { contentTypeUnsupported } from "./problem.ts";
import { parseYamlBody } from "./yaml_body.ts";

const YAML_TYPES = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];

type Done = (error: Error | null, body?: unknown) => void;
type Parser = (request: FastifyRequest, body: Buffer, done: Done) => void;

/** JSON for every route, YAML for those that ask for it; everything else is 415. */
export function readBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  const readJson: Parser = (request, body, done) => {
    parse(() => {
      refuseOtherCharsets(request);
      return body.length === 0 ? undefined : parseJsonBody(body);
    }, done);
  };
  fastify.addContentTypeParser("application/json", { parseAs: "buffer" }, readJson);
  fastify.addContentTypeParser(/^application\/[\w.-]+\+json(?:;|$)/, { parseAs: "buffer" }, readJson);
  fastify.addContentTypeParser(YAML_TYPES, { parseAs: "buffer" }, (request, body: Buffer, done) => {
    parse(() => {
      if (!request.routeOptions.config.yaml) throw contentTypeUnsupported(["application/json"]);
      refuseOtherCharsets(request);
      return body.length === 0 ? undefined : parseYamlBody(body);
    }, done);
  });
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
