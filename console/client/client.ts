import type { components, paths } from './schema.ts';

/** The document of this name in the API's OpenAPI document. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];

/** The body of a problem document, which every reply with an error has. */
export type Problem = Schema<'Problem'>;

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type Bodies<R> = { [Status in keyof R]: Status extends 200 | 201 | 202 ? JsonOf<R[Status]> : never }[keyof R];
type JsonOf<Reply> = Reply extends { readonly content: { readonly 'application/json': infer Body } } ? Body : never;

/** What a route answers when all is well. */
export type Reply<Path extends keyof paths, M extends Method = 'get'> = paths[Path][M] extends {
  readonly responses: infer R;
}
  ? Bodies<R>
  : never;

/** The query parameters of a request, in order. A name may be there several times. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;

/** The API answered with a problem. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

/** The API did not answer: it is down, or the network between this page and it is. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  constructor() {
    super('Meterline does not answer.');
  }
}

/** The session is over, or there never was one. */
export class SignedOutError extends Error {
  override readonly name = 'SignedOutError';
}

/** The address of a route with its parameters: `{id}` in the path, the rest as the query. */
export function addressOf(path: string, ids: Readonly<Record<string, string>> = {}, query: Query = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(ids[name] ?? ''));
  const search = searchOf(query);
  return search === '' ? filled : `${filled}?${search}`;
}

/** A query as the part of an address after the question mark; empty for none. */
export function searchOf(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const each of typeof value === 'object' ? value : [String(value)]) search.append(name, each);
  }
  // Commas and colons may stand in a query as they are, and read better.
  return search.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
}

/** How a request reads or changes something. */
export interface Request {
  readonly ids?: Readonly<Record<string, string>>;
  readonly query?: Query;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/**
 * Asks the API. Throws {@link ApiError} for a problem, {@link SignedOutError} for a 401, {@link UnreachableError} if
 * nothing answers, and an `AbortError` after `signal`.
 */
export async function ask<Path extends keyof paths, M extends Method>(
  method: M,
  path: Path,
  { ids, query, body, signal }: Request = {},
): Promise<Reply<Path, M>> {
  const response = await fetch(addressOf(path, ids, query), {
    method: method.toUpperCase(),
    credentials: 'same-origin',
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    throw signal?.aborted === true ? error : new UnreachableError();
  });
  // Whoever enters has no session yet: there it says that the token is not good.
  if (response.status === 401 && !(method === 'post' && path === '/v1/session')) throw new SignedOutError();
  const text = await response.text().catch((error: unknown) => {
    throw signal?.aborted === true ? error : new UnreachableError();
  });
  if (!response.ok) throw new ApiError(problemOf(text, response));
  // The API checks its replies against the document that these types come from.
  return (text === '' ? null : JSON.parse(text, harmless)) as Reply<Path, M>;
}

/** Characters that turn what stands around them, or are nothing to see. Names from Anthropic may have them. Joiners stay. */
const DECEIVING = /(?![\u200c\u200d])\p{Cf}/gu;
/** What is read, and never sent back as a filter. */
const READ_ONLY = /^(name|subject|sentence|words|message|detail)$/;

/**
 * Takes out of a name what would turn or hide the text beside it, and keeps signs of amounts in the line of their dollars,
 * with U+2060: browsers break a line between the two.
 */
function harmless(key: string, value: unknown): unknown {
  if (typeof value !== 'string' || !READ_ONLY.test(key)) return value;
  return value.replace(DECEIVING, '').replace(/([−+])\$/g, '$1\u2060$$');
}

/** The problem that a reply names. A proxy in between may answer with something else. */
function problemOf(text: string, { status, headers }: Response): Problem {
  if (headers.get('content-type')?.startsWith('application/problem+json') === true) return JSON.parse(text) as Problem;
  return {
    type: 'about:blank',
    title: 'Something between this page and Meterline answered.',
    status,
    detail: `The answer has the status ${status} and is not Meterline's.`,
    code: 'unavailable',
    action: 'Look at the proxy or load balancer in front of Meterline.',
  };
}
