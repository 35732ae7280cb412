import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponsesObject } from 'zod-openapi';
import { FAILURES, failureKind, type FailureCode } from '../domain/failures.ts';
import type { Description } from './endpoint.ts';
import { nothing, problem } from './schemas.ts';

/** Why any request under /v1 may be refused. */
const USUAL_REFUSALS: readonly FailureCode[] = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'not_found',
  'too_many_requests',
  'unavailable',
];

const id = z.string().meta({ format: 'uuid', description: 'As the list gives it.' });
const idPath = z.strictObject({ id });
const keyPath = z.strictObject({ id, keyId: id });

/** The OpenAPI 3.1 document of these routes, made of the schemas that check their requests and replies. */
export function openApiDocument(routes: readonly Description[]): ReturnType<typeof createDocument> {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.1',
    info: { title: 'Meterline', version: '1', description: introduction() },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token of this API.' } },
    },
  });
}

function introduction(): string {
  const codes = Object.entries(FAILURES).map(
    ([code, { status, message, action }]) => `| \`${code}\` | ${status} | ${message} | ${action} |`,
  );
  return [
    "Keeps an Anthropic organization's daily cost and usage in your own Postgres, exact to the last decimal.",
    'Days are UTC. Amounts are exact decimal strings in major units (USD unless said otherwise).',
    'A list gives a page and `next`; give that as `after` to get the next page, until it is null.',
    'Refusals are `application/problem+json` (RFC 9457) with one of these codes:',
    ['| code | status | what happened | what to do |', '|---|---|---|---|', ...codes].join('\n'),
  ].join('\n\n');
}

function operationOf(route: Description): ZodOpenApiOperationObject {
  const { method, path, tag, summary, query, body, out, statuses } = route;
  const isOpen = !path.startsWith('/v1/');
  const refusals = isOpen ? route.refusals : [...USUAL_REFUSALS, ...route.refusals];
  return {
    operationId: operationIdOf(method, path),
    tags: [tag],
    summary,
    ...(isOpen ? { security: [] } : {}),
    requestParams: {
      ...(path.includes(':keyId') ? { path: keyPath } : path.includes(':id') ? { path: idPath } : {}),
      ...(query === nothing ? {} : { query }),
    },
    ...(body === nothing
      ? {}
      : { requestBody: { required: needsBody(body), content: { 'application/json': { schema: body } } } }),
    responses: { ...goodResponses(statuses, out), ...refusalResponses(refusals) },
  };
}

/** POST /v1/connections/:id/rotate-key is post_connections_id_rotate_key. */
function operationIdOf(method: string, path: string): string {
  return [method, ...(path.replace('/v1', '').match(/\w+/g) ?? [])].join('_');
}

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

function refusalResponses(codes: readonly FailureCode[]): ZodOpenApiResponsesObject {
  const byStatus = new Map<number, FailureCode[]>();
  for (const code of new Set(codes)) {
    const { status } = failureKind(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => [
      status,
      {
        description: same.map((code) => `\`${code}\`: ${failureKind(code).message}`).join('\n\n'),
        content: { 'application/problem+json': { schema: problem } },
      },
    ]),
  );
}
