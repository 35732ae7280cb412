import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponsesObject } from 'zod-openapi';
import type { Description } from './endpoint.ts';
import { nothing } from './schemas.ts';
import { refusalsOf } from './documented-problems.ts';

/** The OpenAPI 3.1 document of these routes, made of the schemas that check their requests and replies. */
export function openApiDocument(routes: readonly Description[]): ReturnType<typeof createDocument> {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.1',
    info: { title: 'Meterline', version: '1', description: INTRODUCTION },
    servers: [{ url: '/', description: 'Where this document comes from.' }],
    security: [{ token: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name, ...describedTag(name) })),
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: TOKEN } } },
  });
}

/** Where a token lies. Tests hold the files and variables against the programs that write and read them. */
const TOKEN = [
  'A token of this API, alone, without the word "Bearer".',
  '`npm start` prints the first admin token once and keeps it in `.meterline/api-token`, the demo in `.meterline/demo/api-token` (in `METERLINE_DATA_DIR`, where that is set).',
  'In production it is what `METERLINE_API_TOKEN` sets.',
  'Make more with `npm run tokens -- create --name <name> --role viewer` on the server, or with `POST /v1/tokens`.',
].join(' ');

const INTRODUCTION = [
  "Keeps an Anthropic organization's daily cost and usage in your own Postgres, exact to the last decimal.",
  'Every route under `/v1` wants the header `Authorization: Bearer <token>`. Press **Authorize** to try routes out here: it says where the token lies.',
  'Days are UTC. Lists give a page and `next`: send that as `after` for the next page, until it is null. HEAD answers as GET does, without a body. Unknown parameters and fields are refused. Each refusal has a `code`: [all codes](/docs#problems).',
].join('\n\n');

const TAGS: Readonly<Record<string, string>> = {
  Connections: 'One connection is one Anthropic organization.',
  Keys: 'Admin API keys go in and never come out.',
  Lifecycle: 'What a connection is told to do.',
  History: 'What was read for a connection, and what happened to it.',
  'Costs and usage': 'Sums over connections, days, workspaces, models and more.',
  Tokens: 'Who may use this API.',
  Health: 'For whatever watches this process. Needs no token.',
};

function describedTag(name: string): { description?: string } {
  const description = TAGS[name];
  return description === undefined ? {} : { description };
}

function operationOf(route: Description): ZodOpenApiOperationObject {
  const { path, tag, operation, summary, description, query, body, out, statuses } = route;
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  return {
    operationId: operation,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(path.startsWith('/v1/') ? {} : { security: [] }),
    requestParams: {
      ...(names.length === 0 ? {} : { path: z.strictObject(Object.fromEntries(names.map((name) => [name, id]))) }),
      ...(query === nothing ? {} : { query }),
    },
    ...(body === nothing
      ? {}
      : { requestBody: { required: needsBody(body), content: { 'application/json': { schema: body } } } }),
    responses: { ...goodResponses(statuses, out), ...refusalsOf(route) },
  };
}

// Without an example: tools would ask for that one, which is not there.
const id = z.string().meta({ format: 'uuid', description: 'As a list gives it.' });

function needsBody(body: z.ZodObject): boolean {
  return !body.safeParse({}).success;
}

function goodResponses(statuses: Description['statuses'], out: z.ZodType): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    Object.entries(statuses).map(([status, description]) => [
      status,
      // 204 is a reply without a body.
      status === '204' ? { description } : { description, content: { 'application/json': { schema: out } } },
    ]),
  );
}
