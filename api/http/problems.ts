import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { databaseFailure, type DatabaseFailure, type Db } from '../../db/core/database.ts';
import { NO_RIGHT, READ_ONLY, SchemaError, isOfSchema, isRefusal } from '../../db/core/failures.ts';
import { checkSchema } from '../../db/core/schema-state.ts';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import { redact } from '../../runtime/redact.ts';
import type { ProblemDocument, RequestError } from './schemas.ts';
import { TemporalUnavailableError } from './temporal.ts';

/** Thrown to answer a request with a problem document (RFC 9457). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly detail: string | undefined;
  readonly errors: readonly RequestError[] | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  constructor(
    readonly code: FailureCode,
    options: {
      detail?: string;
      errors?: readonly RequestError[];
      extra?: Readonly<Record<string, unknown>>;
      retryAfter?: number;
    } = {},
  ) {
    super(code);
    this.retryAfter = options.retryAfter;
    this.detail = options.detail;
    this.errors = options.errors;
    this.extra = options.extra ?? {};
  }
}

/** The problem of a request that the OpenAPI document does not allow; `path` says where in the request. */
export function invalid(path: string, message: string): Problem {
  return new Problem('invalid_request', { errors: [{ path, message }] });
}

/**
 * The problem of a request that the OpenAPI document allows, but that contradicts itself, the calendar or the current
 * state. See {@link invalid} for what the document does not allow.
 */
export function contradiction(path: string, message: string): Problem {
  const name = path.split('.').at(-1) ?? path;
  return new Problem('conflict', { detail: `"${name}" ${message}.`, errors: [{ path, message }] });
}

/** Also with the brackets that other APIs, Anthropic's among them, ask for. */
const PLAIN_NAME = /^(?:not\.)?[a-z_]{1,30}(?:\[\])?$/;

/** What zod found wrong, and where. Of the input it shows only names of fields. `known` are the names that are allowed. */
export function requestErrorsOf(
  error: z.ZodError,
  part: 'body' | 'query',
  known: readonly string[] = [],
): RequestError[] {
  const allowed = known.length === 0 ? '' : `; allowed are ${known.join(', ')}`;
  return error.issues.flatMap((issue): RequestError[] => {
    // Which of the values of a parameter it is, is not part of its name.
    const place = part === 'query' ? issue.path.slice(0, 1) : issue.path;
    const path = [part, ...place.map(String)].join('.');
    if (issue.code === 'invalid_value') return [{ path, message: `must be ${choiceOf(issue.values)}` }];
    if (issue.code !== 'unrecognized_keys') return [{ path, message: inWords(issue.message) }];
    // Somebody may have put a secret where the name of a field belongs.
    return issue.keys.map((key) => ({
      path: PLAIN_NAME.test(key) ? `${path}.${key}` : path,
      message: `is not known here${allowed}`,
    }));
  });
}

const NOUNS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** The message of an issue, where a schema has no words of its own for what is missing or of another kind. */
function inWords(message: string): string {
  const [, expected = '', received = ''] = /^Invalid input: expected (\w+), received (\w+)$/.exec(message) ?? [];
  const noun = NOUNS[expected];
  if (noun === undefined) return message;
  return received === 'undefined' ? `is missing: it must be ${noun}` : `must be ${noun}`;
}

function choiceOf(values: readonly unknown[]): string {
  return `${values.length === 1 ? '' : 'one of '}${values.map(String).join(', ')}`;
}

/** Answers every request with `method_not_allowed` and the methods of its path. */
export function onlyMethods(allowed: readonly string[]): RequestHandler {
  const names = allowed.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
  return (_request, response) => {
    response.set('Allow', names.join(', '));
    throw new Problem('method_not_allowed', { detail: `This path supports ${names.join(' and ')}.` });
  };
}

/** Answers a request without a route. */
export const notFound: RequestHandler = () => {
  throw new Problem('not_found');
};

/** Answers with the problem document of whatever a handler threw. Details that the caller must not see go to the log. */
export function answerProblems(log: Logger, db: Db): ErrorRequestHandler {
  return async (error: unknown, request, response, next) => {
    if (response.headersSent) {
      log.error({ reqId: request.id, ...scrubbed(error) }, 'A reply broke off');
      // Express breaks the connection, so that no client takes the beginning for the whole.
      next(error);
      return;
    }
    const problem = problemOf(error);
    if (problem !== null) {
      if (error instanceof TemporalUnavailableError) {
        log.warn({ reqId: request.id, reason: error.reason }, 'Temporal does not answer');
      }
      sendProblem(response, problem);
      return;
    }
    const failure = databaseFailure(error);
    const detail = failure === null ? null : await whyUnavailable(failure, db);
    log.error({ reqId: request.id, ...scrubbed(error), ...(detail === null ? {} : { detail }) }, 'A request failed');
    const extra = idOf(request);
    sendProblem(
      response,
      detail === null ? new Problem('internal', { extra }) : new Problem('unavailable', { detail, extra }),
    );
  };
}

/** Why the database is unavailable, in words for the caller; null if it is available and the error is a defect of ours. */
export async function whyUnavailable(failure: DatabaseFailure, db: Db): Promise<string | null> {
  if (isOfSchema(failure)) {
    const state: unknown = await checkSchema(db).catch((error: unknown) => error);
    return state instanceof SchemaError ? `${state.message}.` : null;
  }
  if (!failure.unavailable) return null;
  if (failure.code === READ_ONLY) {
    return 'Postgres is read-only (a standby, or a failover), so nothing was changed.';
  }
  if (failure.code === NO_RIGHT) return 'The Postgres role of the API lacks a right. The log of the API says more.';
  if (isRefusal(failure)) return 'Postgres refuses the connection of the API. The log of the API says why.';
  return 'Postgres does not answer.';
}

function idOf(request: { id: unknown }): { request_id: string } {
  return { request_id: String(request.id) };
}

function problemOf(error: unknown): Problem | null {
  if (error instanceof Problem) return error;
  if (error instanceof TemporalUnavailableError) {
    return new Problem('unavailable', { detail: 'Temporal does not answer, so nothing was changed.' });
  }
  // A path that cannot be decoded has no route.
  if (error instanceof URIError) return new Problem('not_found');
  return bodyProblemOf(error) ?? fileProblemOf(error);
}

/** The problem of an error from Express' body parser, whose own messages quote the body. */
function bodyProblemOf(error: unknown): Problem | null {
  if (!(error instanceof Error) || !('type' in error) || !('status' in error)) return null;
  if (error.status === 413) return new Problem('too_large');
  if (error.type === 'entity.parse.failed') return invalid('body', 'is not a JSON object');
  if (error.type === 'entity.verify.failed') return invalid('body', 'is not UTF-8');
  if (error.status === 400 || error.status === 415) return invalid('body', 'cannot be read as plain JSON in UTF-8');
  return null;
}

/** The problem of an error from Express' file server: a condition that does not hold, or a missing part of the file. */
function fileProblemOf(error: unknown): Problem | null {
  if (!(error instanceof Error) || !('status' in error)) return null;
  const isRefused = error.status === 412 || error.status === 416;
  return isRefused ? invalid('headers', 'ask for a file, or a part of one, that does not exist') : null;
}

function sendProblem(response: Response, problem: Problem): void {
  const { status, message, action } = FAILURES[problem.code];
  const document: ProblemDocument = {
    type: `/docs#${problem.code}`,
    title: message,
    status,
    detail: problem.detail ?? message,
    code: problem.code,
    action,
    ...(problem.errors === undefined ? {} : { errors: [...problem.errors] }),
    ...problem.extra,
  };
  if (problem.retryAfter !== undefined) response.set('Retry-After', String(problem.retryAfter));
  send(response, document);
}

function send(response: Response, document: ProblemDocument): void {
  response.status(document.status).type('application/problem+json').send(JSON.stringify(document));
}

/** An error for the log: where it came from, without bind values and secrets. */
export function scrubbed(error: unknown): { error: string; message: string; stack: string[] } {
  if (!(error instanceof Error)) return { error: typeof error, message: '', stack: [] };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const message = databaseFailure(error)?.message ?? redact(error.message).slice(0, 500);
  return { error: error.name, message, stack: frames.slice(0, 12).map((line) => line.trim()) };
}
