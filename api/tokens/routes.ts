import { z } from 'zod';
import { TokenError, createToken, listTokens, revokeToken, type TokenInfo } from '../../db/tokens/tokens.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { nothing } from '../http/schemas.ts';
import { storedId } from '../connections/lookups.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { madeToken, newToken, token, tokenList, tokensQuery } from './schemas.ts';

const tag = 'Tokens';

const create = endpoint({
  method: 'post',
  path: '/v1/tokens',
  tag,
  operation: 'createToken',
  summary: 'Makes a token of this API',
  role: 'admin',
  query: nothing,
  body: newToken,
  out: madeToken,
  statuses: { 201: 'The token. It is shown this once.' },
  refusals: ['conflict'],
  handle: async ({ body, actor, actorId }, deps) => {
    const { name, role, expires_at: expiresAt } = body;
    const maker = { id: actorId, name: actor };
    const { token: secret, ...made } = await createToken(deps.db, { name, role, expiresAt, maker }).catch(refuse);
    deps.log.info({ token: made.id, name, role, actor }, 'a token is made');
    return { status: 201, body: { ...tokenDocument(made), token: secret } };
  },
});

function refuse(error: unknown): never {
  if (!(error instanceof TokenError)) throw error;
  switch (error.why) {
    case 'name_taken':
      throw new Problem('conflict', { detail: error.message });
    case 'expired':
      throw contradiction('body.expires_at', 'must be in the future');
    case 'outlives_maker':
      throw contradiction('body.expires_at', 'must not be after the token expires that makes this one');
    case 'maker_invalid':
      // It was valid when this request began.
      throw new Problem('unauthorized');
  }
}

const list = endpoint({
  method: 'get',
  path: '/v1/tokens',
  tag,
  operation: 'listTokens',
  summary: 'Lists the tokens of this API, newest first, revoked and expired ones too',
  role: 'admin',
  query: tokensQuery,
  body: nothing,
  out: tokenList,
  statuses: { 200: 'A page of tokens. The one that `METERLINE_API_TOKEN` sets is not among them.' },
  refusals: ['conflict'],
  handle: async ({ query: { limit, after } }, deps) => {
    const found = await listTokens(deps.db, {
      after: after === undefined ? null : decodeCursor(after, z.guid()),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, ({ id }) => id);
    return { status: 200, body: { data: page.map(tokenDocument), next } };
  },
});

const revoke = endpoint({
  method: 'delete',
  path: '/v1/tokens/:id',
  tag,
  operation: 'revokeToken',
  summary: 'Revokes a token for good, and with it every token that was made with it',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: token,
  statuses: { 200: 'It is revoked, from the next request on.' },
  refusals: [],
  handle: async ({ id, actor }, deps) => {
    const revoked = await revokeToken(deps.db, storedId(id), actor);
    if (revoked === null) throw new Problem('not_found');
    deps.log.info({ token: revoked.id, name: revoked.name, actor }, 'a token is revoked');
    return { status: 200, body: tokenDocument(revoked) };
  },
});

function tokenDocument(info: TokenInfo): z.input<typeof token> {
  return {
    id: info.id,
    name: info.name,
    role: info.role,
    created_at: info.createdAt.toISOString(),
    created_by: info.createdBy,
    expires_at: info.expiresAt?.toISOString() ?? null,
    revoked_at: info.revokedAt?.toISOString() ?? null,
    revoked_by: info.revokedBy,
    last_used_at: info.lastUsedAt?.toISOString() ?? null,
  };
}

/** Tokens of this API. */
export const tokenRoutes = [create, list, revoke];
