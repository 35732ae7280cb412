import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit, type Store } from 'express-rate-limit';
import { timingSafeEqual } from 'node:crypto';
import type { Db } from '../db/database.ts';
import { findToken, hashToken, isWholeToken, touchToken } from '../db/tokens.ts';
import { BOOTSTRAP, type TokenRole } from '../domain/tokens.ts';
import { Problem } from './problems.ts';

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
 * with a token, the answer is the same. After `failuresPerMinute` failed tries an address is not listened to until the
 * minute is over, so that nothing is learnt from a valid guess either. They are counted in `failures`, by default in the
 * memory of this process; while they cannot be counted, nobody gets in.
 */
export function authenticate(options: {
  db: Db;
  apiToken: string;
  failuresPerMinute: number;
  failures?: Store | undefined;
}): RequestHandler[] {
  const bootstrapHash = hashToken(options.apiToken);
  const addressOf = (request: Request): string => ipKeyGenerator(request.ip ?? '');
  const countFailure = rateLimit({
    windowMs: MINUTE_MS,
    limit: options.failuresPerMinute,
    standardHeaders: false,
    legacyHeaders: false,
    keyGenerator: addressOf,
    passOnStoreError: false,
    ...(options.failures === undefined ? {} : { store: options.failures }),
    // It only counts: whoever is over the limit is shut out before the token is looked at.
    handler: (_request, _response, next) => {
      next();
    },
  });
  const shutOut: RequestHandler = async (request, response, next) => {
    const tries = await countFailure.getKey(addressOf(request));
    if (tries !== undefined && tries.totalHits >= options.failuresPerMinute) {
      const leftMs = (tries.resetTime?.getTime() ?? Date.now() + MINUTE_MS) - Date.now();
      response.set('Retry-After', String(Math.max(1, Math.ceil(leftMs / 1000))));
      throw new Problem('too_many_requests');
    }
    next();
  };
  const identify: RequestHandler = async (request, response, next) => {
    const caller = await callerFor(options.db, bootstrapHash, request.headers.authorization);
    if (caller === null) {
      await countFailure(request, response, (error: unknown) => {
        response.set('WWW-Authenticate', 'Bearer');
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
  return [shutOut, identify];
}

async function callerFor(db: Db, bootstrapHash: Buffer, header: string | undefined): Promise<Caller | null> {
  const token = BEARER.exec(header ?? '')?.[1];
  if (token === undefined) return null;
  const hash = hashToken(token);
  if (timingSafeEqual(hash, bootstrapHash)) return { id: null, name: BOOTSTRAP, role: 'admin' };
  if (!isWholeToken(token)) return null;
  const found = await findToken(db, hash);
  if (found === null) return null;
  if (found.lastUsedAt === null || found.lastUsedAt.getTime() < Date.now() - MINUTE_MS) await touchToken(db, found.id);
  return found;
}
