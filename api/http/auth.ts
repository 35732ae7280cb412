import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit, type Store } from 'express-rate-limit';
import { timingSafeEqual } from 'node:crypto';
import type { Db } from '../../db/core/database.ts';
import { hashToken, isWholeToken } from '../../db/tokens/secret.ts';
import { touchToken } from '../../db/tokens/tokens.ts';
import { BOOTSTRAP, type TokenRole } from '../../domain/tokens.ts';
import { addressOf } from './address.ts';
import { Problem } from './problems.ts';
import { tokenLookup, type TokenLookup } from './token-lookup.ts';

/** Who makes a request: its token, of which the first one, that of the configuration, has no id. */
export interface Caller {
  readonly id: string | null;
  readonly name: string;
  readonly role: TokenRole;
}

const MINUTE_MS = 60_000;
const BEARER = /^Bearer +([\x21-\x7e]{1,200}) *$/i;

const callers = new WeakMap<Request, Caller>();

/** Who makes this request; null before it is known. */
export function callerOf(request: Request): Caller | null {
  return callers.get(request) ?? null;
}

/**
 * Lets requests with a valid token pass, and of those with a viewer's token only the ones that read. Whatever is wrong
 * with a token, the answer is the same. After `failuresPerMinute` failed tries an address gets a 429 for each further
 * one until the minute is over; a valid token passes all the same, since many people may share an address. Failed tries
 * are counted in `failures`, by default in the memory of this process; where that fails, they are refused as well.
 * A token has `requestsPerToken` requests under way at most.
 */
export function authenticate(options: {
  db: Db;
  apiToken: string;
  failuresPerMinute: number;
  failures?: Store | undefined;
  requestsPerToken: number;
}): RequestHandler[] {
  const { failuresPerMinute } = options;
  const bootstrapHash = hashToken(options.apiToken);
  const lookUp = tokenLookup(options.db);
  const placeOf = (request: Request): string => ipKeyGenerator(addressOf(request));
  const countFailure = rateLimit({
    windowMs: MINUTE_MS,
    limit: failuresPerMinute,
    standardHeaders: false,
    legacyHeaders: false,
    keyGenerator: placeOf,
    passOnStoreError: false,
    ...(options.failures === undefined ? {} : { store: options.failures }),
    handler: (request, response, next) => {
      Promise.resolve(countFailure.getKey(placeOf(request))).then((tries) => {
        const leftMs = (tries?.resetTime?.getTime() ?? Date.now() + MINUTE_MS) - Date.now();
        response.set('Retry-After', String(Math.max(1, Math.ceil(leftMs / 1000))));
        const detail = `More than ${failuresPerMinute} requests without a valid token came from this address within a minute.`;
        next(new Problem('too_many_requests', { detail }));
      }, next);
    },
  });
  const identify: RequestHandler = async (request, response, next) => {
    const caller = await callerFor(options.db, lookUp, bootstrapHash, request.headers.authorization);
    if (caller === null) {
      await countFailure(request, response, (error: unknown) => {
        if (error === undefined) response.set('WWW-Authenticate', 'Bearer');
        next(error ?? new Problem('unauthorized'));
      });
      return;
    }
    if (caller.role !== 'admin' && request.method !== 'GET' && request.method !== 'HEAD') {
      throw new Problem('forbidden');
    }
    callers.set(request, caller);
    next();
  };
  return [identify, limitUnderWay(options.requestsPerToken)];
}

const SOON_S = 1;

/** Refuses a token more than so many requests at once. One is over when its client has the reply, or is gone. */
function limitUnderWay(limit: number): RequestHandler {
  const underWay = new Map<string, number>();
  return (request, response, next) => {
    const token = callerOf(request)?.id ?? BOOTSTRAP;
    const count = underWay.get(token) ?? 0;
    if (count >= limit) {
      response.set('Retry-After', String(SOON_S));
      throw new Problem('too_many_requests', { detail: `This token has ${limit} requests under way already.` });
    }
    // Its client may have gone while the token was looked up, and nothing says so again.
    if (response.closed) return;
    underWay.set(token, count + 1);
    response.once('close', () => {
      const left = (underWay.get(token) ?? 1) - 1;
      if (left === 0) underWay.delete(token);
      else underWay.set(token, left);
    });
    next();
  };
}

async function callerFor(
  db: Db,
  lookUp: TokenLookup,
  bootstrapHash: Buffer,
  header: string | undefined,
): Promise<Caller | null> {
  const token = BEARER.exec(header ?? '')?.[1];
  if (token === undefined) return null;
  const hash = hashToken(token);
  if (timingSafeEqual(hash, bootstrapHash)) return { id: null, name: BOOTSTRAP, role: 'admin' };
  if (!isWholeToken(token)) return null;
  const found = await lookUp(hash);
  if (found === null) return null;
  if (found.lastUsedAt === null || found.lastUsedAt.getTime() < Date.now() - MINUTE_MS) await touchToken(db, found.id);
  return found;
}
