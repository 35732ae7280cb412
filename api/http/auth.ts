import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit, type Store } from 'express-rate-limit';
import type { Db } from '../../db/core/database.ts';
import { touchSession, type SessionInfo } from '../../db/sessions/sessions.ts';
import { touchToken } from '../../db/tokens/tokens.ts';
import { BOOTSTRAP, type TokenRole } from '../../domain/tokens.ts';
import { addressOf } from './address.ts';
import { sessionSecret } from './cookie.ts';
import type { Credentials } from './credentials.ts';
import { originOf } from './origin.ts';
import { Problem } from './problems.ts';

/** Whoever sends a request, by the token or the session of the request. */
export interface Caller {
  /** Of the token; null for the token in `METERLINE_API_TOKEN`, and for a session that began with a link. */
  readonly id: string | null;
  readonly name: string;
  readonly role: TokenRole;
  /** Null for a request with a token. */
  readonly session: SessionInfo | null;
  /** Whose limits the request counts towards. A token shares them with its sessions. */
  readonly countsFor: string;
}

const MINUTE_MS = 60_000;
const BEARER = /^Bearer +([\x21-\x7e]{1,200}) *$/i;
/** Below /v1. Beginning a session needs no token in the header, and ending it no admin. */
const OWN_SESSION = '/session';

const callers = new WeakMap<Request, Caller>();

/** The caller of a request; null before it is authenticated. */
export function callerOf(request: Request): Caller | null {
  return callers.get(request) ?? null;
}

/**
 * Lets requests with a valid token pass, or without a token in the header those with the cookie of a session; for viewers,
 * only requests that read. The answer is the same for everything that can be wrong with a token. Only a browser on our own
 * pages may change anything by its cookie. A token has at most `requestsPerToken` requests in progress.
 */
export function authenticate(options: {
  db: Db;
  credentials: Credentials;
  publicUrl: () => string;
  requestsPerToken: number;
  /** The paths under /v1 that change nothing, whatever the method. */
  onlyReading: readonly string[];
}): RequestHandler[] {
  const { db, credentials, publicUrl, onlyReading } = options;
  const identify: RequestHandler = async (request, _response, next) => {
    const isOwnSession = request.path === OWN_SESSION;
    const origin = originOf(request, publicUrl());
    if (isOwnSession && request.method === 'POST') {
      // A page elsewhere could sign a browser in to somebody else's session.
      if (origin === 'foreign') throw new Problem('foreign_origin');
      next();
      return;
    }
    const { authorization } = request.headers;
    const caller =
      authorization === undefined
        ? await callerByCookie(db, credentials, sessionSecret(request, publicUrl()))
        : await callerByToken(db, credentials, authorization);
    if (caller === null) throw new Problem('unauthorized');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      if (caller.session !== null && origin !== 'own') throw new Problem('foreign_origin');
      const isOpenToViewers = isOwnSession || onlyReading.includes(request.path);
      if (caller.role !== 'admin' && !isOpenToViewers) throw new Problem('forbidden');
    }
    callers.set(request, caller);
    next();
  };
  return [identify, limitInProgress(options.requestsPerToken)];
}

/**
 * Counts every `unauthorized` as a failed try. After `failedLoginsPerMinute` of them, an address gets a 429 for each further
 * one until the minute is over. A valid token still passes, because many people may share an address. `failedLogins` counts,
 * by default in the memory of this process; while it cannot, failed tries get an error too.
 */
export function countFailedLogins(options: {
  failedLoginsPerMinute: number;
  failedLogins?: Store | undefined;
}): ErrorRequestHandler {
  const { failedLoginsPerMinute } = options;
  const clientOf = (request: Request): string => ipKeyGenerator(addressOf(request));
  const count = rateLimit({
    windowMs: MINUTE_MS,
    limit: failedLoginsPerMinute,
    standardHeaders: false,
    legacyHeaders: false,
    keyGenerator: clientOf,
    passOnStoreError: false,
    ...(options.failedLogins === undefined ? {} : { store: options.failedLogins }),
    handler: (request, response, next) => {
      Promise.resolve(count.getKey(clientOf(request))).then((tries) => {
        const leftMs = (tries?.resetTime?.getTime() ?? Date.now() + MINUTE_MS) - Date.now();
        response.set('Retry-After', String(Math.max(1, Math.ceil(leftMs / 1000))));
        const detail = `This address sent more than ${failedLoginsPerMinute} requests without a valid token within a minute.`;
        next(new Problem('too_many_requests', { detail }));
      }, next);
    },
  });
  return async (problem: unknown, request, response, next) => {
    if (!(problem instanceof Problem) || problem.code !== 'unauthorized') {
      next(problem);
      return;
    }
    if (isQuestion(request)) {
      response.set('WWW-Authenticate', 'Bearer');
      next(problem);
      return;
    }
    await count(request, response, (error: unknown) => {
      if (error === undefined) response.set('WWW-Authenticate', 'Bearer');
      next(error ?? problem);
    });
  };
}

/** A browser that nobody has signed in asks whether somebody has. It tries nothing, and must not use up anybody's tries. */
function isQuestion({ method, path, headers }: Request): boolean {
  return (
    method === 'GET' &&
    path === `/v1${OWN_SESSION}` &&
    headers.authorization === undefined &&
    headers.cookie === undefined
  );
}

const RETRY_AFTER_S = 1;

/** Limits the requests of one token at once. A request ends when its client has the reply or is gone. */
function limitInProgress(limit: number): RequestHandler {
  const inProgress = new Map<string, number>();
  return (request, response, next) => {
    // Whoever begins a session has none yet.
    const countsFor = callerOf(request)?.countsFor ?? `sign-ins from ${addressOf(request)}`;
    const count = inProgress.get(countsFor) ?? 0;
    if (count >= limit) {
      response.set('Retry-After', String(RETRY_AFTER_S));
      throw new Problem('too_many_requests', {
        detail: `This token, or address, has ${limit} requests in progress already.`,
      });
    }
    // The client may have gone during the look-up of the token; `close` does not fire again then.
    if (response.closed) return;
    inProgress.set(countsFor, count + 1);
    response.once('close', () => {
      const left = (inProgress.get(countsFor) ?? 1) - 1;
      if (left === 0) inProgress.delete(countsFor);
      else inProgress.set(countsFor, left);
    });
    next();
  };
}

async function callerByToken(db: Db, credentials: Credentials, header: string): Promise<Caller | null> {
  const token = BEARER.exec(header)?.[1];
  if (token === undefined) return null;
  if (credentials.isBootstrap(token)) {
    return { id: null, name: BOOTSTRAP, role: 'admin', session: null, countsFor: BOOTSTRAP };
  }
  const found = await credentials.findToken(token);
  if (found === null) return null;
  const { id, name, role, lastUsedAt } = found;
  if (lastUsedAt === null || isOld(lastUsedAt)) await touchToken(db, id);
  return { id, name, role, session: null, countsFor: id };
}

async function callerByCookie(db: Db, credentials: Credentials, secret: string | null): Promise<Caller | null> {
  const session = secret === null ? null : await credentials.findSession(secret);
  if (session === null) return null;
  const { id, tokenId, name, role, begunWith, lastSeenAt } = session;
  if (isOld(lastSeenAt)) await touchSession(db, id);
  const countsFor = tokenId ?? (begunWith === 'link' ? id : BOOTSTRAP);
  return { id: tokenId, name, role, session, countsFor };
}

/** Of an instant that is kept to the minute. */
function isOld(instant: Date): boolean {
  return instant.getTime() < Date.now() - MINUTE_MS;
}
