/** The OpenAPI 3.1 document, made from the declarations of the routes and the schemas that validate them. */
import { STATUS_CODES } from "node:http";
import { z } from "zod";
import { acceptedTypes } from "./bodies.ts";
import { Components } from "./openapi_components.ts";
import { problemSchema } from "./problem.ts";
import type { Answer, DeclaredRoute } from "./route.ts";
import type { JsonSchema, SchemaOptions } from "./schema.ts";

export interface OpenApiOptions {
  routes: readonly DeclaredRoute[];
  version: string;
}

/**
 * Makes the document. Named schemas (`.meta({ id })`) become components. Throws when one name stands for two different
 * schemas, or one operation id for two routes.
 */
export function openApiDocument({ routes, version }: OpenApiOptions): JsonSchema {
  const components = new Components();
  const problem = components.use(problemSchema, { io: "output", closed: false }, "Problem");
  const operations = new Map<string, { route: DeclaredRoute; responses: JsonSchema }>();
  for (const route of routes) {
    const operationId = route.operationId ?? operationName(route);
    if (operations.has(operationId)) throw new Error(`the operation id ${operationId} is used twice`);
    // All answers before all requests: a name that both use is the answer's.
    operations.set(operationId, { route, responses: responsesOf({ route, operationId, components }) });
  }
  const paths: { [path: string]: JsonSchema } = {};
  for (const [operationId, { route, responses }] of operations) {
    const path = route.url.replace(/:(\w+)/g, "{$1}");
    const described = { ...operation({ route, operationId, components }), responses };
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: described };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Millrace",
      version,
      description: "Durable workflows, events, tasks and automation rules on PostgreSQL.",
    },
    paths,
    components: {
      schemas: components.schemas,
      responses: {
        Problem: {
          description: "A problem document: the request was refused.",
          content: { "application/problem+json": { schema: problem } },
        },
      },
      parameters: {
        Namespace: {
          name: "X-Millrace-Namespace",
          in: "header",
          description: "The namespace that the request speaks of.",
          schema: { type: "string", default: "default", pattern: "^[a-z0-9][a-z0-9_.-]{0,62}$" },
        },
      },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
      },
    },
    security: [{ bearer: [] }, { apiKey: [] }],
  };
}

const request: SchemaOptions = { io: "input", closed: true };
const answer: SchemaOptions = { io: "output", closed: false };

interface Operation {
  route: DeclaredRoute;
  operationId: string;
  components: Components;
}

function operation({ route, operationId, components }: Operation): JsonSchema {
  const { summary, description, tags, permission, params, query, body, yaml, rawBody } = route;
  const parameters = [
    ...parametersOf(params, "path", components, `${operationId}Params`),
    ...parametersOf(query, "query", components, `${operationId}Query`),
    ...(route.public ? [] : [{ $ref: "#/components/parameters/Namespace" }]),
  ];
  const needs = permission === undefined ? "" : `Needs the permission \`${permission}\`.`;
  const text = [description, needs].filter(Boolean).join("\n\n");
  return {
    operationId,
    summary,
    ...(text !== "" && { description: text }),
    ...(tags && { tags }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: requestBody(components.use(body, request, `${operationId}Body`), { body, yaml }) }),
    ...(rawBody && { requestBody: anyBody }),
    ...(route.public && { security: [] }),
  };
}

const anyBody = {
  required: false,
  content: Object.fromEntries(acceptedTypes({ rawBody: true }).map((type) => [type, { schema: {} }])),
};

function requestBody(schema: JsonSchema, { body, yaml }: { body: z.ZodType; yaml?: boolean }): JsonSchema {
  const types = yaml ? ["application/json", "application/yaml"] : ["application/json"];
  return {
    required: !body.safeParse(undefined).success,
    content: Object.fromEntries(types.map((type) => [type, { schema }])),
  };
}

function parametersOf(
  schema: z.ZodType | undefined,
  where: "path" | "query",
  components: Components,
  name: string,
): JsonSchema[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = components.resolve(components.use(schema, request, name));
  return Object.entries(properties as { [name: string]: JsonSchema }).map(([field, { description, ...inner }]) => ({
    name: field,
    in: where,
    required: where === "path" || (required as string[]).includes(field),
    ...(description !== undefined && { description }),
    schema: inner,
  }));
}

/** The declared answers, and a problem document for each refusal that the shell itself may give. */
function responsesOf({ route, operationId, components }: Operation): JsonSchema {
  const refusals: { [status: number]: string } = {};
  if (route.params || route.query || route.body) refusals[400] = "The input is invalid; `errors` lists every fault.";
  if (!route.public) refusals[401] = "The request has no valid API key.";
  if (route.permission !== undefined) refusals[403] = "The caller lacks the permission.";
  if (route.body || route.rawBody) {
    refusals[413] = "The body is too large.";
    refusals[415] = "The body has an unsupported content type.";
  }
  const answers: { [status: number]: Answer } = { ...refusals, ...route.responses };
  const described = Object.entries(answers).map(([status, declared]): [string, JsonSchema] => {
    return [status, response(Number(status), declared, { components, name: `${operationId}${status}` })];
  });
  return { ...Object.fromEntries(described), default: { $ref: "#/components/responses/Problem" } };
}

function response(
  status: number,
  declared: Answer,
  { components, name }: { components: Components; name: string },
): JsonSchema {
  if (typeof declared === "string") {
    if (status < 400) return { description: declared };
    const schema = { $ref: "#/components/schemas/Problem" };
    return { description: declared, content: { "application/problem+json": { schema } } };
  }
  if (declared instanceof z.ZodType) {
    const schema = components.use(declared, answer, name);
    return {
      description: declared.description ?? STATUS_CODES[status] ?? "",
      content: { "application/json": { schema } },
    };
  }
  const schema = declared.schema ? components.use(declared.schema, answer, name) : { type: "string" };
  return { description: declared.description, content: { [declared.contentType]: { schema } } };
}

/** `GET /api/v1/things/:id` is `getThingsById`. */
function operationName({ method, url }: DeclaredRoute): string {
  const words = url
    .replace(/^\/api\/v\d+/, "")
    .split(/[/.]/)
    .filter(Boolean);
  const named = words.map((word) => {
    const plain = word.replace(/^:/, "").replace(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase());
    return (word.startsWith(":") ? "By" : "") + plain.charAt(0).toUpperCase() + plain.slice(1);
  });
  return method.toLowerCase() + named.join("");
}
