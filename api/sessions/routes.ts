import { z } from 'zod';
import {
  beginSession,
  endSession,
  listSessions,
  type SessionInfo,
  type SessionKey,
} from '../../db/sessions/sessions.ts';
import { hasPrefix, hashToken } from '../../db/tokens/secret.ts';
import { LINK_MINUTES, SESSION_DAYS, SESSION_IDLE_HOURS } from '../../domain/sessions.ts';
import { storedId } from '../connections/lookups.ts';
import { noSessionCookie, sessionCookie } from '../http/cookie.ts';
import type { Credentials } from '../http/credentials.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { newSession, session, sessionList, sessionsQuery, whoami } from './schemas.ts';

const tag = 'Sessions';

const LINK_ENDED = `A link works once, and for ${LINK_MINUTES} minutes. On the server, "npm run link" prints another.`;

const begin = endpoint({
  method: 'post',
  path: '/v1/session',
  tag,
  operation: 'beginSession',
  summary: 'Begins a session of a browser, with a token or a link',
  description: `The reply sets a cookie that only this deployment reads; the cookie then stands for the token. A session ends ${SESSION_IDLE_HOURS} hours after its last request, after ${SESSION_DAYS} days at the latest, and with its token. A link works once.`,
  needsNoToken: true,
  query: nothing,
  body: newSession,
  out: session,
  statuses: { 201: 'The session, with the header `Set-Cookie`.' },
  problems: [],
  handle: async ({ body: { token } }, { db, credentials, publicUrl, log }) => {
    const key = await keyOf(credentials, token);
    const begun = key === null ? null : await beginSession(db, key);
    const info = begun === null ? null : await credentials.findSession(begun.secret);
    if (begun === null || info === null) {
      throw new Problem('unauthorized', hasPrefix(token, 'link') ? { detail: LINK_ENDED } : {});
    }
    log.info({ session: info.id, name: info.name }, 'a session begins');
    const cookie = sessionCookie(publicUrl(), begun.secret, info.expiresAt);
    return { status: 201, body: sessionDocument(info, info.id), cookie };
  },
});

/** What a session may begin with; null if the token is wrong. The look-ups are those that a flood cannot block. */
async function keyOf(credentials: Credentials, token: string): Promise<SessionKey | null> {
  if (credentials.isBootstrap(token)) return { bootstrapTag: credentials.bootstrapTags[0] };
  if (await credentials.isUsableLink(token)) return { link: hashToken(token) };
  return (await credentials.findToken(token)) === null ? null : { token: hashToken(token) };
}

const read = endpoint({
  method: 'get',
  path: '/v1/session',
  tag,
  operation: 'getSession',
  summary: 'Says whose token or session a request has',
  query: nothing,
  body: nothing,
  out: whoami,
  statuses: { 200: 'The name and the role, and the session if there is one.' },
  problems: [],
  handle: ({ caller }) => {
    if (caller === null) throw new Problem('unauthorized');
    const { name, role, session: info } = caller;
    return Promise.resolve({
      status: 200,
      body: { name, role, session: info === null ? null : sessionDocument(info, info.id) },
    });
  },
});

const end = endpoint({
  method: 'delete',
  path: '/v1/session',
  tag,
  operation: 'endSession',
  summary: 'Ends the session of the request',
  description: 'A request with a token in its header has no session, and ends none.',
  query: nothing,
  body: nothing,
  out: nothing,
  statuses: { 204: 'The session has ended, and the browser drops its cookie.' },
  problems: [],
  handle: async ({ caller, actor }, { db, publicUrl, log }) => {
    const id = caller?.session?.id ?? null;
    if (id !== null && (await endSession(db, id, { type: 'session_ended', actor }))) {
      log.info({ session: id, name: actor }, 'a session is ended');
    }
    return { status: 204, body: {}, cookie: noSessionCookie(publicUrl()) };
  },
});

const list = endpoint({
  method: 'get',
  path: '/v1/sessions',
  tag,
  operation: 'listSessions',
  summary: 'Lists the sessions that have not ended, newest first',
  role: 'admin',
  query: sessionsQuery,
  body: nothing,
  out: sessionList,
  statuses: { 200: 'A page of sessions. `/v1/events` has those that ended.' },
  problems: ['conflict'],
  handle: async ({ query: { limit, after }, caller }, { db, credentials }) => {
    const found = await listSessions(db, credentials.bootstrapTags, {
      after: after === undefined ? null : decodeCursor(after, z.int()),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, ({ no }) => no);
    const current = caller?.session?.id ?? null;
    return { status: 200, body: { data: page.map((info) => sessionDocument(info, current)), next } };
  },
});

const revoke = endpoint({
  method: 'delete',
  path: '/v1/sessions/:id',
  tag,
  operation: 'revokeSession',
  summary: 'Ends any session for good',
  description: 'The token that it began with stays valid. Revoking that token ends all of its sessions.',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: nothing,
  statuses: { 204: 'The session has ended. The API refuses its cookie from the next request on.' },
  problems: [],
  handle: async ({ id: given, actor }, { db, log }) => {
    const id = storedId(given);
    if (!(await endSession(db, id, { type: 'session_revoked', actor }))) throw new Problem('not_found');
    log.info({ session: id, actor }, 'a session is revoked');
    return { status: 204, body: {} };
  },
});

function sessionDocument(info: SessionInfo, currentId: string | null): z.input<typeof session> {
  return {
    id: info.id,
    name: info.name,
    role: info.role,
    begun_with: info.begunWith,
    token_id: info.tokenId,
    current: info.id === currentId,
    created_at: info.createdAt.toISOString(),
    last_seen_at: info.lastSeenAt.toISOString(),
    expires_at: info.expiresAt.toISOString(),
  };
}

/** Sessions of browsers. */
export const sessionRoutes = [begin, read, end, list, revoke];
