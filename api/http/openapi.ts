import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponsesObject } from 'zod-openapi';
import { cookieName } from './cookie.ts';
import { MAX_TAGS } from '../../domain/spend/parameters.ts';
import type { Description } from './endpoint.ts';
import { monthIn, nothing } from './schemas.ts';
import { problemResponses } from './documented-problems.ts';

/** The OpenAPI 3.1 document of these routes, from the schemas that check their requests and replies. */
export function openApiDocument(routes: readonly Description[]): ReturnType<typeof createDocument> {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.1',
    info: { title: 'Meterline', version: '1', description: INTRODUCTION },
    servers: [{ url: '/', description: 'The server of this document.' }],
    security: [{ token: [] }, { session: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name, ...describedTag(name) })),
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: TOKEN },
        session: { type: 'apiKey', in: 'cookie', name: cookieName('http://127.0.0.1:8080'), description: SESSION },
      },
    },
  });
}

/** Where to find a token. Tests compare these files and variables with the programs that use them. */
const TOKEN = [
  'A token of this API, without the word "Bearer".',
  '`npm start` prints the first admin token once and keeps it in `.meterline/api-token`, the demo in `.meterline/demo/api-token` (or in `METERLINE_DATA_DIR`, if that is set).',
  'In production, `METERLINE_API_TOKEN` sets it.',
  'Create more with `npm run tokens -- create --name <name> --role viewer` on the server, or with `POST /v1/tokens`.',
].join(' ');

const SESSION = [
  'The cookie of a session, which `POST /v1/session` sets. It counts where no header has a token.',
  'Its name has the port of `METERLINE_PUBLIC_URL`, and begins with `__Host-` if that is an https address.',
  'Whatever changes something also needs `Sec-Fetch-Site: same-origin`, or an `Origin` of that address; browsers send them.',
].join(' ');

const INTRODUCTION = [
  "Keeps an Anthropic organization's daily cost and usage in your own Postgres, exact to the last decimal.",
  'Every route under `/v1` needs the header `Authorization: Bearer <token>`, or the cookie of a session. Press **Authorize** to try routes here; it says where to find the token.',
  'Days are UTC. A list returns a page and `next`; send `next` as `after` to get the next page, until it is null. HEAD answers like GET, without a body. Unknown parameters and fields are an error. Every error has a `code`: [all codes](/docs#problems).',
].join('\n\n');

const TAGS: Readonly<Record<string, string>> = {
  Connections: 'Each connection reads one Anthropic organization.',
  Keys: 'Admin API keys go in and never come out.',
  Lifecycle: 'Commands to a connection.',
  History: 'What Meterline read for a connection, and what happened to it.',
  'Costs and usage': 'Sums over connections, days, workspaces, models and more.',
  Allocation: 'Rules that say which cost center each line of cost belongs to.',
  Chargeback: 'What each cost center owes for a month, open or closed.',
  Exports: 'Files for the programs of others.',
  Tokens: 'Who may use this API.',
  Sessions: 'Who uses this API in a browser.',
  Anomalies: 'What was unusual about the spend, each with its cause, and what people say about it.',
  Budgets: 'How much may be spent, and who is told when.',
  Channels: 'Where notices go. Their secrets go in and never come out.',
  Notices: 'What people should know, each told once, and its way to each address.',
  Reports: 'The costs of each day, week or month, told on a Schedule.',
  Events: 'What happened to the deployment, beside its connections.',
  Health: 'For monitors of this process. Needs no token.',
};

function describedTag(name: string): { description?: string } {
  const description = TAGS[name];
  return description === undefined ? {} : { description };
}

function operationOf(route: Description): ZodOpenApiOperationObject {
  const { path, tag, operation, summary, description, query, body } = route;
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  return {
    operationId: operation,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(path.startsWith('/v1/') && route.needsNoToken !== true ? {} : { security: [] }),
    requestParams: {
      ...(names.length === 0
        ? {}
        : { path: z.strictObject(Object.fromEntries(names.map((name) => [name, name === 'month' ? monthIn : id]))) }),
      ...(query === nothing ? {} : { query }),
    },
    ...(route.takesTags === true ? { parameters: [TAGS_PARAMETER] } : {}),
    ...(body === nothing
      ? {}
      : { requestBody: { required: needsBody(body), content: { 'application/json': { schema: body } } } }),
    responses: { ...goodResponses(route), ...problemResponses(route) },
  };
}

/** Every tag is a parameter of its own: an object that is spread over the query. */
const TAGS_PARAMETER = {
  name: 'tags',
  in: 'query' as const,
  style: 'form' as const,
  explode: true,
  description:
    'Filters by tags of workspaces: `tag.team=platform` takes the workspaces with that tag, and `not.tag.team=platform` all others. An empty value stands for workspaces without the tag. Repeat a parameter for several values.',
  schema: {
    type: 'object' as const,
    // Generators of clients know these keywords, and few know patternProperties.
    propertyNames: { pattern: '^(?:not[.])?tag[.][^\\u0000]+$' },
    additionalProperties: { type: 'string' as const, pattern: '^[^\\u0000]*$' },
    maxProperties: MAX_TAGS,
  },
};

// Without an example, because tools would request it and no such resource exists.
const id = z.string().meta({ format: 'uuid', description: 'The id, from a list.' });

function needsBody(body: z.ZodObject): boolean {
  return !body.safeParse({}).success;
}

const CSV = {
  'text/csv': {
    schema: z.string().meta({
      id: 'Csv',
      description:
        'Every row, under the names that JSON has; the `id` and the `name` of a workspace are `workspace_id` and `workspace_name`. The headers `Meterline-…` have the totals and the counts of days.',
    }),
  },
};

function goodResponses({ statuses, out, csv, file }: Description): ZodOpenApiResponsesObject {
  const content =
    file === undefined
      ? { 'application/json': { schema: out }, ...(csv === undefined ? {} : CSV) }
      : Object.fromEntries(Object.entries(file.types).map(([type, description]) => [type, fileOf(type, description)]));
  const described = Object.entries({ ...csv?.headers, ...file?.headers }).map(
    ([name, header]) => [name, { ...header }] as const,
  );
  const headers = described.length === 0 ? {} : { headers: Object.fromEntries(described) };
  return Object.fromEntries(
    // A 204 has no body.
    Object.entries(statuses).map(([status, description]) => [
      status,
      status === '204' ? { description } : { description, content, ...headers },
    ]),
  );
}

function fileOf(
  type: string,
  description: string,
): { schema: { type: 'string'; format?: string; description: string } } {
  return { schema: { type: 'string', ...(type.startsWith('text/') ? {} : { format: 'binary' }), description } };
}
