import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Db } from '../../db/core/database.ts';
import { CsvReply } from './csv.ts';
import { wantsCsv, type Exports } from './exports.ts';
import type { FileReply } from './file.ts';
import type { KeyRing } from '../../db/keys/key-ring.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { AllowList } from '../../domain/notices/allow-list.ts';
import { BOOTSTRAP, type TokenRole } from '../../domain/tokens.ts';
import { callerOf, type Caller } from './auth.ts';
import type { Credentials } from './credentials.ts';
import type { Forecasting } from '../../forecasting/forecasting.ts';
import { Problem, requestErrorsOf, invalid } from './problems.ts';
import { nothing } from './schemas.ts';
import type { Temporal } from './temporal.ts';
import type { Turns } from './turns.ts';
import { waitFor } from './wait.ts';

/** What routes work with. */
export interface Deps {
  readonly db: Db;
  readonly ring: KeyRing;
  readonly temporal: Temporal;
  readonly log: Logger;
  /** Limits how many expensive requests of one token run at once. */
  readonly turns: Turns;
  readonly exports: Exports;
  readonly forecasting: Forecasting;
  readonly credentials: Credentials;
  /** Where browsers reach the API, as an origin. */
  readonly publicUrl: () => string;
  /** The places in private networks that channels may lead to. */
  readonly notifyAllow: AllowList;
  readonly settings: ReplySettings;
}

/** The parts of the configuration that replies depend on. */
export interface ReplySettings {
  readonly syncHourUtc: number;
  readonly temporalUiUrl: string | null;
  readonly temporalNamespace: string;
  /** The longest wait of a request for the verdict on a key or for a change of status. */
  readonly waitMs: number;
  /** The clock: milliseconds since the epoch. */
  readonly now: () => number;
  /** How many log lines this process has dropped. */
  readonly droppedLogLines: () => number;
  /** Aborted when the process is asked to stop; no request waits any longer then. */
  readonly stopping: AbortSignal;
}

/** A request after its schemas have checked it. */
export interface Call<Query, Body> {
  /** The `id`, the `keyId` and the `month` of the path; empty if the path has none. */
  readonly id: string;
  readonly keyId: string;
  readonly month: string;
  readonly query: Query;
  /** The query parameters `tag.<key>` and `not.tag.<key>`. */
  readonly tags: readonly QueryPair[];
  readonly body: Body;
  /** Null for a route that needs no token. */
  readonly caller: Caller | null;
  /** The name of the token, which events show. */
  readonly actor: string;
  /** The id of the token; null for the token in `METERLINE_API_TOKEN`. */
  readonly actorId: string | null;
  readonly waitFor: WaitFor;
  /** Which of these media types the client takes most gladly, by its header `Accept`; null if it takes none. */
  readonly preferred: <Type extends string>(types: readonly Type[]) => Type | null;
}

/** A query parameter. */
export type QueryPair = readonly [name: string, value: string];

/** Looks again and again until there is a result; null once the request stops waiting or its client is gone. */
export type WaitFor = <T>(look: () => Promise<T | null>) => Promise<T | null>;

/** The reply to a request. The schema of the endpoint checks `body` before it is sent. */
export interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
  readonly location?: string;
  /** The header `Set-Cookie`. */
  readonly cookie?: string;
}

/** A route as the OpenAPI document describes it. */
export interface Description<
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodObject = z.ZodObject,
  Out extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As Express spells it: /v1/connections/:id */
  readonly path: string;
  readonly tag: string;
  /** The name of the operation in generated clients: a verb and a noun. */
  readonly operation: string;
  readonly summary: string;
  /** What the summary has no room for, in Markdown. */
  readonly description?: string;
  /** `admin` for a route that viewers may not even read. Only admins may call routes that change something. */
  readonly role?: TokenRole;
  /** Set for a route that changes nothing although its method may: viewers may call it. */
  readonly onlyReads?: boolean;
  /** Set for a route under /v1 that is open to everybody. */
  readonly needsNoToken?: boolean;
  readonly query: Query;
  readonly body: Body;
  readonly out: Out;
  /** The statuses of success, and what each means. */
  readonly statuses: Readonly<Record<number, string>>;
  /** Whether it takes the query parameters `tag.<key>` and `not.tag.<key>`. */
  readonly takesTags?: boolean;
  /** Set for a route that also answers in CSV, with the headers that only a file has. */
  readonly csv?: { readonly headers: Readonly<Record<string, DescribedHeader>> };
  /** Set for a route that answers with nothing but a file: what each of its media types is, and the headers. */
  readonly file?: {
    readonly types: Readonly<Record<string, string>>;
    readonly headers: Readonly<Record<string, DescribedHeader>>;
  };
  /** The problems of this route, without those of every route, of every route under /v1, and of an unknown id. */
  readonly problems: readonly FailureCode[];
}

/** A header of a reply as the OpenAPI document describes it. */
export interface DescribedHeader {
  readonly description: string;
  readonly schema: { readonly type: 'string' | 'integer'; readonly minimum?: number; readonly format?: string };
}

/** How a route answers in CSV, for those that can. */
interface CsvDefinition<Query extends z.ZodObject> {
  readonly headers: Readonly<Record<string, DescribedHeader>>;
  /** What the query says, if anything. */
  readonly format: (query: z.output<Query>) => 'csv' | 'json' | undefined;
  /** Writes every row, in a transaction of its own. */
  readonly write: (call: Call<z.output<Query>, unknown>, deps: Deps & { tx: Db }, reply: CsvReply) => Promise<void>;
}

interface Definition<Query extends z.ZodObject, Body extends z.ZodObject, Out extends z.ZodType> extends Description<
  Query,
  Body,
  Out
> {
  /** Whether the requests of one token take turns, because each is expensive. */
  readonly inTurn?: boolean;
  /** Set for a route that takes as long as a file: it counts as an export, and its `db` is a snapshot. */
  readonly asExport?: boolean;
  readonly csv?: CsvDefinition<Query>;
  readonly handle: (call: Call<z.output<Query>, z.output<Body>>, deps: Deps) => Promise<Reply<z.input<Out>>>;
}

/** A route that answers with a file. It reads, and takes no body. */
interface FileDefinition<Query extends z.ZodObject> extends Omit<
  Description<Query>,
  'method' | 'body' | 'out' | 'csv'
> {
  readonly file: NonNullable<Description['file']>;
  /** Writes the file, from one snapshot. */
  readonly write: (call: Call<z.output<Query>, unknown>, deps: Deps & { tx: Db }, reply: FileReply) => Promise<void>;
}

/** A route: its description and its handler. */
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
      const caller = callerOf(request);
      if (definition.role === 'admin' && caller?.role !== 'admin') throw new Problem('forbidden');
      const call = callOf(definition, request, response, deps.settings);
      const { csv } = definition;
      if (csv !== undefined && wantsCsv(request, csv.format(call.query))) {
        await deps.exports.file(request, response, (tx, file) => csv.write(call, { ...deps, tx }, new CsvReply(file)));
        return;
      }
      if (definition.asExport === true) {
        const reply = await deps.exports.run(request, response, (tx) => definition.handle(call, { ...deps, db: tx }));
        if (reply !== null) send(response, reply, definition.out);
        return;
      }
      const endTurn =
        definition.inTurn === true ? await deps.turns.take(caller?.countsFor ?? BOOTSTRAP) : () => undefined;
      try {
        // The client is gone. The response may close a little later than its socket.
        if (response.closed || request.socket.destroyed) return;
        const reply = await definition.handle(call, deps);
        send(response, reply, definition.out);
      } finally {
        endTurn();
      }
    };
  return { ...definition, handler };
}

/** Makes a route of a definition whose replies are files. */
export function fileEndpoint<Query extends z.ZodObject>(definition: FileDefinition<Query>): Endpoint {
  const handler =
    (deps: Deps): RequestHandler =>
    async (request, response) => {
      const call = callOf({ ...definition, body: nothing }, request, response, deps.settings);
      await deps.exports.file(request, response, (tx, reply) => definition.write(call, { ...deps, tx }, reply));
    };
  return { ...definition, method: 'get', body: nothing, out: nothing, handler };
}

/** Checks a request. Throws `invalid_request`. */
function callOf<Query extends z.ZodObject, Body extends z.ZodObject>(
  schemas: { readonly query: Query; readonly body: Body; readonly takesTags?: boolean },
  request: Request,
  response: Response,
  { stopping, waitMs }: ReplySettings,
): Call<z.output<Query>, z.output<Body>> {
  const caller = callerOf(request);
  const { id, keyId, month } = request.params;
  return {
    id: typeof id === 'string' ? id : '',
    keyId: typeof keyId === 'string' ? keyId : '',
    month: typeof month === 'string' ? month : '',
    ...readQuery(request, schemas.query, schemas.takesTags === true),
    body: readBody(request, schemas.body),
    caller,
    actor: caller?.name ?? '',
    actorId: caller?.id ?? null,
    preferred: (types) => types.find((type) => type === request.accepts([...types])) ?? null,
    waitFor: (look) => waitFor(look, { timeoutMs: waitMs, isOver: () => response.closed || stopping.aborted }),
  };
}

function send<Out extends z.ZodType>(response: Response, reply: Reply<z.input<Out>>, schema: Out): void {
  if (reply.location !== undefined) response.location(reply.location);
  if (reply.cookie !== undefined) response.append('Set-Cookie', reply.cookie);
  response.status(reply.status);
  if (reply.status === 204) response.end();
  else response.type('json').send(jsonOf(schema.parse(reply.body)));
}

/** The JSON of a reply, with bigints as whole numbers. JSON.stringify() alone throws on a bigint. */
function jsonOf(body: unknown): string {
  // Random, so that no text in the reply can be mistaken for a bigint.
  const mark = `bigint ${randomUUID()} `;
  const json = JSON.stringify(body, (_name, value: unknown) =>
    typeof value === 'bigint' ? mark + value.toString() : value,
  );
  return json.replace(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1');
}

/** A parameter may be repeated if its schema takes an array. */
function readQuery<Query extends z.ZodObject>(
  request: Request,
  schema: Query,
  takesTags: boolean,
): { query: z.output<Query>; tags: QueryPair[] } {
  const all = [...new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'))];
  const isTag = (name: string): boolean => takesTags && TAG.test(name);
  const given = all.filter(([name]) => !isTag(name));
  const parsed = schema.safeParse(Object.fromEntries(given.map(([name, value]) => [name, valueOf(name, value)])));
  if (!parsed.success) {
    const known = [...Object.keys(schema.shape), ...(takesTags ? ['tag.<key>', 'not.tag.<key>'] : [])];
    throw new Problem('invalid_request', { errors: requestErrorsOf(parsed.error, 'query', known) });
  }
  const twice = given.find(
    ([name], index) => !mayRepeat(name) && given.findIndex(([other]) => other === name) !== index,
  );
  if (twice !== undefined) throw invalid(`query.${twice[0]}`, 'is given more than once');
  return { query: parsed.data, tags: all.filter(([name]) => isTag(name)) };

  function mayRepeat(name: string): boolean {
    const field: unknown = Object.hasOwn(schema.shape, name) ? schema.shape[name] : undefined;
    return field instanceof z.ZodType && field.safeParse([]).success;
  }
  function valueOf(name: string, value: string): string | string[] {
    return mayRepeat(name) ? given.filter(([other]) => other === name).map(([, one]) => one) : value;
  }
}

const TAG = /^(?:not\.)?tag\./;

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
