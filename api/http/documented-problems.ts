import type { ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import type { Description } from './endpoint.ts';
import { problem, type ProblemDocument } from './schemas.ts';

/** A sentence as Markdown: quoted text with a `<` becomes code, and any other `<` is escaped, since it would begin HTML. */
function markdownOf(sentence: string): string {
  return sentence.replaceAll(/"([^"]*<[^"]*)"/g, '`$1`').replaceAll(/<(?![^`]*`)/g, '&lt;');
}

const header = (description: string, schema: { type: 'string' | 'integer'; minimum?: number }) => ({
  description,
  required: true,
  schema,
});

/** A problem response that many routes share. `id` is its name in the document. */
function shared(
  id: string,
  code: FailureCode,
  more: { status?: number; why?: string; headers?: Record<string, ReturnType<typeof header>> } = {},
): ZodOpenApiResponseObject {
  const why = more.why === undefined ? line(code) : `\`${code}\`: ${more.why}`;
  const headers = more.headers === undefined ? {} : { headers: more.headers };
  return { id, ...problemResponse(why, exampleOf(code, more.status)), ...headers };
}

function problemResponse(description: string, example: ProblemDocument): ZodOpenApiResponseObject {
  return { description, content: { 'application/problem+json': { schema: problem, example } } };
}

function exampleOf(code: FailureCode, status: number = FAILURES[code].status): ProblemDocument {
  const { message, action } = FAILURES[code];
  const errors = status === 400 ? { errors: [{ path: 'body.name', message: 'must not be empty' }] } : {};
  return { type: `/docs#${code}`, title: message, status, detail: message, code, action, ...errors };
}

/** The problems of every route, by status. */
const ANY: ZodOpenApiResponsesObject = {
  400: shared('InvalidRequest', 'invalid_request', {
    why: 'The request does not fit this document. `errors` says what is wrong and where.',
  }),
  405: shared('MethodNotAllowed', 'method_not_allowed', {
    headers: { Allow: header('The methods that this path supports.', { type: 'string' }) },
  }),
  408: shared('RequestTimeout', 'invalid_request', { status: 408, why: 'The request took too long to arrive.' }),
  431: shared('HeadersTooLarge', 'too_large', {
    status: 431,
    why: 'The address and the headers are larger than 8 kB.',
  }),
  500: shared('InternalError', 'internal'),
};

const UNAVAILABLE = shared('Unavailable', 'unavailable');

/** The problems of every route under /v1. */
const UNDER_V1: ZodOpenApiResponsesObject = {
  401: shared('Unauthorized', 'unauthorized', {
    headers: { 'WWW-Authenticate': header('`Bearer`.', { type: 'string' }) },
  }),
  403: shared('Forbidden', 'forbidden', { why: `${FAILURES.forbidden.message}\n\n${line('foreign_origin')}` }),
  413: shared('TooLarge', 'too_large', { why: 'The body is larger than 16 kB.' }),
  429: shared('TooManyRequests', 'too_many_requests', {
    headers: { 'Retry-After': header('Seconds to wait.', { type: 'integer', minimum: 1 }) },
  }),
};

const NOT_FOUND = shared('NotFound', 'not_found');

/** The problem responses of a route, by status: its own, and those that it shares with other routes. */
export function problemResponses({ path, problems }: Description): ZodOpenApiResponsesObject {
  const isUnderV1 = path.startsWith('/v1/');
  const mayBeUnknown = path.includes(':') || problems.includes('not_found');
  const own = new Map<number, FailureCode[]>();
  for (const code of problems) {
    const { status } = FAILURES[code];
    own.set(status, [...(own.get(status) ?? []), code]);
  }
  return {
    ...Object.fromEntries(
      [...own].map(([status, codes]) => {
        const [first = 'internal'] = codes;
        return [status, problemResponse(codes.map(line).join('\n\n'), exampleOf(first))];
      }),
    ),
    ...ANY,
    ...(isUnderV1 || problems.includes('unavailable') ? { 503: UNAVAILABLE } : {}),
    ...(isUnderV1 ? UNDER_V1 : {}),
    ...(mayBeUnknown ? { 404: NOT_FOUND } : {}),
  };
}

function line(code: FailureCode): string {
  return `\`${code}\`: ${markdownOf(FAILURES[code].message)}`;
}
