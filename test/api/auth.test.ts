import { eq } from 'drizzle-orm';
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpoints } from '../../api/app.ts';
import { tokens } from '../../db/schema.ts';
import { createToken, hashToken, isWholeToken, listTokens, revokeToken } from '../../db/tokens.ts';
import { MAKER } from '../db/support.ts';
import { ADMIN_TOKEN, seedConnection, startApi, type Api } from './support.ts';

/** A store of failed tries that knows of none. */
class CountingNothing implements Store {
  get = (): ClientRateLimitInfo => ({ totalHits: 0, resetTime: undefined });
  increment = (): ClientRateLimitInfo => ({ totalHits: 1, resetTime: undefined });
  decrement = (): void => undefined;
  resetKey = (): void => undefined;
}

let api: Api;
beforeAll(async () => {
  api = await startApi({ failuresPerMinute: 1_000, waitMs: 50 });
});
afterAll(() => api.close());

const secured = endpoints.filter(({ path }) => path.startsWith('/v1/'));

describe('a token', () => {
  it('is needed by every route under /v1, and by no other', async () => {
    expect(secured.length).toBeGreaterThan(15);
    for (const { method, path } of [...secured, { method: 'get', path: '/v1/nothing' }]) {
      expect((await api.send(method.toUpperCase(), path, undefined, null)).status).toBe(401);
    }
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs/']) {
      expect((await api.get(path, null)).status).toBe(200);
    }
  });

  it('that is missing, malformed, unknown, cut, revoked or expired gets one and the same 401', async () => {
    const revoked = await createToken(api.db, { name: 'revoked', role: 'admin', maker: MAKER });
    await revokeToken(api.db, revoked.id, 'test');
    const expired = await createToken(api.db, { name: 'expired', role: 'admin', maker: MAKER });
    await api.db
      .update(tokens)
      .set({ createdAt: new Date(Date.now() - 2_000), expiresAt: new Date(Date.now() - 1_000) })
      .where(eq(tokens.id, expired.id));
    const good = await createToken(api.db, { name: 'good', role: 'admin', maker: MAKER });
    const headers = [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      `Basic ${ADMIN_TOKEN}`,
      ADMIN_TOKEN,
      `Bearer ${ADMIN_TOKEN} x`,
      `Bearer ${ADMIN_TOKEN.slice(0, -1)}`,
      `Bearer ${ADMIN_TOKEN}0`,
      `Bearer ${ADMIN_TOKEN.toUpperCase()}`,
      `Bearer ${good.token.slice(0, -1)}`,
      `Bearer ${'x'.repeat(5_000)}`,
      `Bearer ${revoked.token}`,
      `Bearer ${expired.token}`,
    ];
    const answers = [];
    for (const authorization of headers) {
      const answer = await api.raw(
        '/v1/connections',
        authorization === undefined ? {} : { headers: { authorization } },
      );
      const shown = [...answer.headers].filter(([name]) => name !== 'date' && name !== 'x-request-id');
      answers.push(JSON.stringify([answer.status, shown, answer.text]));
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('"www-authenticate","Bearer"');
    expect(answers[0]).toContain('\\"code\\":\\"unauthorized\\"');
    expect((await api.get('/v1/connections', good.token)).status).toBe(200);
  });

  it('is stored as a hash only, and knows when it was used last', async () => {
    const made = await createToken(api.db, { name: 'ci', role: 'admin', maker: MAKER });
    expect(Buffer.from(made.token.slice(10), 'base64url').length).toBeGreaterThanOrEqual(16);
    expect(isWholeToken(made.token)).toBe(true);
    await api.get('/v1/connections', made.token);
    const [row] = await api.db.select().from(tokens).where(eq(tokens.id, made.id));
    expect(row?.hash).toEqual(hashToken(made.token));
    expect(row?.lastUsedAt).not.toBeNull();
    await api.get('/v1/connections', made.token);
    const [again] = await api.db.select().from(tokens).where(eq(tokens.id, made.id));
    expect(again?.lastUsedAt).toEqual(row?.lastUsedAt);
    expect((await listTokens(api.db, { after: null, limit: 10 })).find(({ id }) => id === made.id)).not.toHaveProperty(
      'hash',
    );
  });

  it('of a viewer reads everything and changes nothing', async () => {
    const viewer = await createToken(api.db, { name: 'viewer', role: 'viewer', maker: MAKER });
    const id = await seedConnection(api.db, {});
    for (const { method, path, role } of secured) {
      const mayRead = method === 'get' && role !== 'admin';
      const answer = await api.send(method.toUpperCase(), path.replace(':id', id), undefined, viewer.token);
      expect([method, path, answer.status]).toEqual([method, path, mayRead ? 200 : 403]);
      if (!mayRead) expect(answer.body.code).toBe('forbidden');
    }
    expect(secured.filter(({ role }) => role === 'admin').map(({ method, path }) => `${method} ${path}`)).toContain(
      'get /v1/tokens',
    );
    expect(api.temporal.signals).toEqual([]);
  });

  it('gives its name to events', async () => {
    const admin = await createToken(api.db, { name: 'Ada', role: 'admin', maker: MAKER });
    const id = await seedConnection(api.db, {});
    await api.send('POST', `/v1/connections/${id}/pause`, undefined, admin.token);
    await api.send('PATCH', `/v1/connections/${id}`, { name: 'x' }, admin.token);
    const { body } = await api.get(`/v1/connections/${id}/events`);
    expect(body.data.map(({ actor }) => actor)).toEqual(['Ada', 'Ada']);
  });
});

describe('failed tries', () => {
  it('shut an address out for the rest of the minute, good tokens too', async () => {
    const own = await startApi({ failuresPerMinute: 3 });
    try {
      for (const guess of ['wrong', 'wronger', 'wrongest']) {
        expect((await own.get('/v1/connections')).status).toBe(200);
        expect((await own.get('/v1/connections', guess)).status).toBe(401);
      }
      for (const token of ['wrong', ADMIN_TOKEN, null]) {
        const refused = await own.get('/v1/connections', token);
        expect(refused.status).toBe(429);
        expect(refused.body.code).toBe('too_many_requests');
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
      }
      expect((await own.get('/healthz', null)).status).toBe(200);
    } finally {
      await own.close();
    }
  });

  it.each(['get', 'increment'] as const)('that cannot be looked up or counted (%s) let nobody in', async (broken) => {
    const fail = (): Promise<never> => Promise.reject(new Error('the store is gone'));
    const failures: Store = Object.assign(new CountingNothing(), { [broken]: fail });
    const own = await startApi({ failures });
    try {
      const answers = await Promise.all([own.get('/v1/connections', 'wrong'), own.get('/v1/connections')]);
      // A good token needs no counting, only the look at what was counted.
      expect(answers.map(({ status }) => status)).toEqual(broken === 'get' ? [500, 500] : [500, 200]);
      expect(answers.map(({ text }) => text).join()).not.toContain('the store is gone');
    } finally {
      await own.close();
    }
  });

  it('are none when the token is good, however many requests there are', async () => {
    const own = await startApi({ failuresPerMinute: 3 });
    try {
      const answers = await Promise.all(Array.from({ length: 20 }, () => own.get('/v1/connections')));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    } finally {
      await own.close();
    }
  });
});
