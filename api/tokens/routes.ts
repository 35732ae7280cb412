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
  summary: 'Creates a token of this API',
  role: 'admin',
  query: nothing,
  body: newToken,
  out: madeToken,
  statuses: { 201: 'The token. This reply is the only one that shows it.' },
  problems: ['conflict'],
  handle: async ({ body, actor, actorId }, deps) => {
    const { name, role, expires_at: expiresAt } = body;
    const creator = { id: actorId, name: actor };
    const { token: secret, ...created } = await createToken(deps.db, { name, role, expiresAt, creator }).catch(
      throwProblem,
    );
    deps.log.info({ token: created.id, name, role, actor }, 'a token is created');
    return { status: 201, body: { ...tokenDocument(created), token: secret } };
  },
});

function throwProblem(error: unknown): never {
  if (!(error instanceof TokenError)) throw error;
  switch (error.why) {
    case 'name_taken':
      throw new Problem('conflict', { detail: error.message });
    case 'expired':
      throw contradiction('body.expires_at', 'must be in the future');
    case 'outlives_creator':
      throw contradiction('body.expires_at', 'must not be later than the token that creates this one expires');
    case 'creator_invalid':
      // The token was valid when this request began.
      throw new Problem('unauthorized');
  }
}

const list = endpoint({
  method: 'get',
  path: '/v1/tokens',
  tag,
  operation: 'listTokens',
  summary: 'Lists the tokens of this API, newest first, with revoked and expired ones',
  role: 'admin',
  query: tokensQuery,
  body: nothing,
  out: tokenList,
  statuses: { 200: 'A page of tokens, without the one that `METERLINE_API_TOKEN` sets.' },
  problems: ['conflict'],
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
  summary: 'Revokes a token for good, and every token that it created',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: token,
  statuses: { 200: 'The token is revoked. The API refuses it from the next request on.' },
  problems: [],
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
