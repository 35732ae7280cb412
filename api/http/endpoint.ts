import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Db } from '../../db/core/database.ts';
import type { KeyRing } from '../../db/keys/key-ring.ts';
import type { FailureCode } from '../../domain/failures.ts';
import { BOOTSTRAP, type TokenRole } from '../../domain/tokens.ts';
import { callerOf } from './auth.ts';
import { Problem, requestErrorsOf, invalid } from './problems.ts';
import type { Temporal } from '../temporal.ts';
import type { Turns } from './turns.ts';
import { waitFor } from './wait.ts';

/** What the API is made of. */
export interface Deps {
  readonly db: Db;
  readonly ring: KeyRing;
  readonly temporal: Temporal;
  readonly log: Logger;
  /** Of requests that are much work, where a token's own wait for each other. */
  readonly turns: Turns;
  readonly settings: Settings;
}

/** The parts of the configuration that replies depend on. */
export interface Settings {
  readonly syncHourUtc: number;
  readonly temporalUiUrl: string | null;
  readonly temporalNamespace: string;
  /** How long a request waits for the verdict on a key or for a change of status, at most. */
  readonly waitMs: number;
  /** The clock: milliseconds since the epoch. */
  readonly now: () => number;
  /** How many lines of the log were dropped since the process began. */
  readonly droppedLogLines: () => number;
  /** Aborted when the process is asked to end: nothing waits any longer then. */
  readonly stopping: AbortSignal;
}

/** A request whose parts are checked. */
export interface Call<Query, Body> {
  /** The `id` of the path, and the `keyId`, or the empty text where the path has none. */
  readonly id: string;
  readonly keyId: string;
  readonly query: Query;
  readonly body: Body;
  /** The name of the token, which is who did it in events. */
  readonly actor: string;
  /** The id of the token; null for the first one, that of the configuration. */
  readonly actorId: string | null;
  /** Looks until there is something, as long as a request waits: null when the time is up, or nobody waits any more. */
  readonly waitFor: WaitFor;
}

/** Looks until there is something; null when there is nothing in time. */
export type WaitFor = <T>(look: () => Promise<T | null>) => Promise<T | null>;

/** What a request is answered with; `body` is checked against the endpoint's schema on its way out. */
export interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
  readonly location?: string;
}

/** What is said of a route: how it is called, what it takes and gives, and why it is refused. */
export interface Description<
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodObject = z.ZodObject,
  Out extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** As Express spells it: /v1/connections/:id */
  readonly path: string;
  readonly tag: string;
  /** What generated clients call it: a verb and a noun, which stay. */
  readonly operation: string;
  readonly summary: string;
  /** More than fits into a line, in Markdown. */
  readonly description?: string;
  /** The role that it needs where reading is not for everybody; what changes something is for admins anyway. */
  readonly role?: TokenRole;
  readonly query: Query;
  readonly body: Body;
  readonly out: Out;
  /** The good statuses, and what each means. */
  readonly statuses: Readonly<Record<number, string>>;
  /** What it is refused with, beside what any request may be, any under /v1, and any with an id in its path. */
  readonly refusals: readonly FailureCode[];
}

interface Definition<Query extends z.ZodObject, Body extends z.ZodObject, Out extends z.ZodType> extends Description<
  Query,
  Body,
  Out
> {
  /** Whether it is so much work that a token's requests take turns. */
  readonly inTurn?: boolean;
  readonly handle: (call: Call<z.output<Query>, z.output<Body>>, deps: Deps) => Promise<Reply<z.input<Out>>>;
}

/** A route: its description, of which the documentation is made, and its handler. */
export interface Endpoint extends Description {
  readonly handler: (deps: Deps) => RequestHandler;
}

/** Makes a route of its definition. */
export function endpoint<Query extends z.ZodObject, Body extends z.ZodObject, Out extends z.ZodType>(
  definition: Definition<Query, Body, Out>,
): Endpoint {
  const handler =
    (deps: Deps): RequestHandler =>
    async (request, response) => {
      const { stopping, waitMs } = deps.settings;
      const caller = callerOf(request);
      if (definition.role === 'admin' && caller?.role !== 'admin') throw new Problem('forbidden');
      const { id, keyId } = request.params;
      const endTurn = definition.inTurn === true ? await deps.turns.take(caller?.id ?? BOOTSTRAP) : () => undefined;
      try {
        // Nobody waits for the reply any more: a connection that was cut off says so a little later than its socket.
        if (response.closed || request.socket.destroyed) return;
        const reply = await definition.handle(
          {
            id: typeof id === 'string' ? id : '',
            keyId: typeof keyId === 'string' ? keyId : '',
            query: readQuery(request, definition.query),
            body: readBody(request, definition.body),
            actor: caller?.name ?? '',
            actorId: caller?.id ?? null,
            waitFor: (look) => waitFor(look, { timeoutMs: waitMs, isOver: () => response.closed || stopping.aborted }),
          },
          deps,
        );
        if (reply.location !== undefined) response.location(reply.location);
        if (reply.status === 204) {
          response.status(204).end();
          return;
        }
        response
          .status(reply.status)
          .type('json')
          .send(jsonOf(definition.out.parse(reply.body)));
      } finally {
        endTurn();
      }
    };
  return { ...definition, handler };
}

/** The JSON of a reply. A bigint becomes a whole number, of which JSON takes any; JSON.stringify() takes none. */
function jsonOf(body: unknown): string {
  // Random, so that no text of somebody's can be taken for one.
  const mark = `bigint ${randomUUID()} `;
  const json = JSON.stringify(body, (_name, value: unknown) =>
    typeof value === 'bigint' ? mark + value.toString() : value,
  );
  return json.replace(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1');
}

function readQuery<Query extends z.ZodObject>(request: Request, schema: Query): z.output<Query> {
  const given = [...new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'))];
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (!parsed.success) throw new Problem('invalid_request', { errors: requestErrorsOf(parsed.error, 'query') });
  const twice = given.find(([name], index) => given.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined) throw invalid(`query.${twice[0]}`, 'is given more than once');
  return parsed.data;
}

function readBody<Body extends z.ZodObject>(request: Request, schema: Body): z.output<Body> {
  const body: unknown = request.body;
  if (body === undefined && hasBody(request)) throw invalid('headers.content-type', 'must be application/json');
  const parsed = schema.safeParse(body ?? {});
  if (!parsed.success) throw new Problem('invalid_request', { errors: requestErrorsOf(parsed.error, 'body') });
  return parsed.data;
}

function hasBody(request: Request): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}
