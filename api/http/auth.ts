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

/** The token of a request. The token in `METERLINE_API_TOKEN` has no id. */
export interface Caller {
  readonly id: string | null;
  readonly name: string;
  readonly role: TokenRole;
}

const MINUTE_MS = 60_000;
const BEARER = /^Bearer +([\x21-\x7e]{1,200}) *$/i;

const callers = new WeakMap<Request, Caller>();

/** The caller of a request; null before it is authenticated. */
export function callerOf(request: Request): Caller | null {
  return callers.get(request) ?? null;
}

/**
 * Lets requests with a valid token pass; with a viewer's token, only requests that read. The answer is the same for
 * everything that can be wrong with a token. After `failedLoginsPerMinute` failed tries, an address gets a 429 for each
 * further failed try until the minute is over. A valid token still passes, because many people may share an address.
 * `failedLogins` counts the failed tries, by default in the memory of this process; while it cannot, failed tries get an
 * error too. A token has at most `requestsPerToken` requests in progress.
 */
export function authenticate(options: {
  db: Db;
  apiToken: string;
  failedLoginsPerMinute: number;
  failedLogins?: Store | undefined;
  requestsPerToken: number;
}): RequestHandler[] {
  const { failedLoginsPerMinute } = options;
  const bootstrapHash = hashToken(options.apiToken);
  const lookUp = tokenLookup(options.db);
  const clientOf = (request: Request): string => ipKeyGenerator(addressOf(request));
  const countFailedLogin = rateLimit({
    windowMs: MINUTE_MS,
    limit: failedLoginsPerMinute,
    standardHeaders: false,
    legacyHeaders: false,
    keyGenerator: clientOf,
    passOnStoreError: false,
    ...(options.failedLogins === undefined ? {} : { store: options.failedLogins }),
    handler: (request, response, next) => {
      Promise.resolve(countFailedLogin.getKey(clientOf(request))).then((tries) => {
        const leftMs = (tries?.resetTime?.getTime() ?? Date.now() + MINUTE_MS) - Date.now();
        response.set('Retry-After', String(Math.max(1, Math.ceil(leftMs / 1000))));
        const detail = `This address sent more than ${failedLoginsPerMinute} requests without a valid token within a minute.`;
        next(new Problem('too_many_requests', { detail }));
      }, next);
    },
  });
  const identify: RequestHandler = async (request, response, next) => {
    const caller = await callerFor(options.db, lookUp, bootstrapHash, request.headers.authorization);
    if (caller === null) {
      await countFailedLogin(request, response, (error: unknown) => {
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
  return [identify, limitInProgress(options.requestsPerToken)];
}

const RETRY_AFTER_S = 1;

/** Limits the requests of one token at once. A request ends when its client has the reply or is gone. */
function limitInProgress(limit: number): RequestHandler {
  const inProgress = new Map<string, number>();
  return (request, response, next) => {
    const token = callerOf(request)?.id ?? BOOTSTRAP;
    const count = inProgress.get(token) ?? 0;
    if (count >= limit) {
      response.set('Retry-After', String(RETRY_AFTER_S));
      throw new Problem('too_many_requests', { detail: `This token has ${limit} requests in progress already.` });
    }
    // The client may have gone during the look-up of the token; `close` does not fire again then.
    if (response.closed) return;
    inProgress.set(token, count + 1);
    response.once('close', () => {
      const left = (inProgress.get(token) ?? 1) - 1;
      if (left === 0) inProgress.delete(token);
      else inProgress.set(token, left);
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
