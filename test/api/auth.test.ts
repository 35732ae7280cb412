import { eq } from 'drizzle-orm';
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpoints } from '../../api/app.ts';
import { lookUpInBatches } from '../../api/http/batches.ts';
import type { Db } from '../../db/core/database.ts';
import { tokens } from '../../db/schema.ts';
import { hashToken, isWholeToken } from '../../db/tokens/secret.ts';
import { createToken, findTokens, listTokens, revokeToken } from '../../db/tokens/tokens.ts';
import { CREATOR } from '../db/support.ts';
import { storeIncident } from '../support/incident.ts';
import { until } from '../support/wait.ts';
import { ADMIN_TOKEN, CANARY, seedConnection, startApi, type Api } from './support.ts';

/** A store of failed tries that knows of none. */
class CountingNothing implements Store {
  get = (): ClientRateLimitInfo => ({ totalHits: 0, resetTime: undefined });
  increment = (): ClientRateLimitInfo => ({ totalHits: 1, resetTime: undefined });
  decrement = (): void => undefined;
  resetKey = (): void => undefined;
}

let api: Api;
beforeAll(async () => {
  api = await startApi({ failedLoginsPerMinute: 1_000, waitMs: 50 });
});
afterAll(() => api.close());

const secured = endpoints.filter(({ path, needsNoToken }) => path.startsWith('/v1/') && needsNoToken !== true);

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

  it('that is missing, malformed, unknown, cut, revoked or expired gets the same 401', async () => {
    const revoked = await createToken(api.db, { name: 'revoked', role: 'admin', creator: CREATOR });
    await revokeToken(api.db, revoked.id, 'test');
    const expired = await createToken(api.db, { name: 'expired', role: 'admin', creator: CREATOR });
    await api.db
      .update(tokens)
      .set({ createdAt: new Date(Date.now() - 2_000), expiresAt: new Date(Date.now() - 1_000) })
      .where(eq(tokens.id, expired.id));
    const good = await createToken(api.db, { name: 'good', role: 'admin', creator: CREATOR });
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
    const made = await createToken(api.db, { name: 'ci', role: 'admin', creator: CREATOR });
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
    const viewer = await createToken(api.db, { name: 'viewer', role: 'viewer', creator: CREATOR });
    const id = await seedConnection(api.db, {});
    await api.send('PUT', '/v1/allocation', { from: '2026-01', rules: [] });
    const channel = await api.send('POST', '/v1/channels', { name: 'a', kind: 'email', to: ['a@example.com'] });
    const daily = { name: 'a', every: 'daily', hour: 8, time_zone: 'UTC' };
    const report = await api.send('POST', '/v1/reports', daily);
    const anomaly = await storeIncident(api.db, id);
    const budget = await api.send('POST', '/v1/budgets', {
      name: 'a',
      period: 'month',
      amount: '1',
      thresholds: [{ of: 'actual', percent: '80' }],
    });
    for (const { method, path, role, onlyReads } of secured) {
      // Its body is missing, which is looked at only where it may be called.
      if (onlyReads === true) {
        expect([path, (await api.send(method, path, {}, viewer.token)).status]).toEqual([path, 400]);
        continue;
      }
      const mayRead = method === 'get' && role !== 'admin';
      // Whoever has a session may end it.
      if (`${method} ${path}` === 'delete /v1/session') continue;
      const target = `${path.replace('/channels/:id', `/channels/${channel.body.id}`).replace('/reports/:id', `/reports/${report.body.id}`).replace('/budgets/:id', `/budgets/${budget.body.id}`).replace('/anomalies/:id', `/anomalies/${anomaly}`).replace(':id', id).replace(':month', '2026-07')}${path === '/v1/costs/changes' ? '?compare=previous' : ''}`;
      const answer = await api.send(method.toUpperCase(), target, undefined, viewer.token);
      expect([method, path, answer.status]).toEqual([method, path, mayRead ? 200 : 403]);
      if (!mayRead) expect(answer.body.code).toBe('forbidden');
    }
    expect(secured.filter(({ role }) => role === 'admin').map(({ method, path }) => `${method} ${path}`)).toContain(
      'get /v1/tokens',
    );
    expect(api.temporal.signals).toEqual([]);
  });

  it('gives its name to events', async () => {
    const admin = await createToken(api.db, { name: 'Ada', role: 'admin', creator: CREATOR });
    const id = await seedConnection(api.db, {});
    await api.send('POST', `/v1/connections/${id}/pause`, undefined, admin.token);
    await api.send('PATCH', `/v1/connections/${id}`, { name: 'x' }, admin.token);
    const { body } = await api.get(`/v1/connections/${id}/events`);
    expect(body.data.map(({ actor }) => actor)).toEqual(['Ada', 'Ada']);
  });
});

/** A token that is whole by its own checksum, and that nobody made. */
function madeUp(): string {
  const body = `meterline_${randomBytes(24).toString('base64url')}`;
  const checksum = createHash('sha256').update(body).digest('base64url').slice(0, 6);
  return body + checksum;
}

describe('failed tries', () => {
  it('do not shut out a valid token: after 105 of them from its address it still passes, and the next bad token does not', async () => {
    const own = await startApi({});
    try {
      const good = await createToken(own.db, { name: 'good', role: 'viewer', creator: CREATOR });
      const statuses: number[] = [];
      for (let index = 0; index < 105; index += 1) {
        statuses.push((await own.get('/v1/connections', index % 2 === 0 ? 'wrong' : madeUp())).status);
      }
      expect(statuses).toEqual([...Array<number>(100).fill(401), ...Array<number>(5).fill(429)]);
      for (const token of [good.token, ADMIN_TOKEN]) expect((await own.get('/v1/connections', token)).status).toBe(200);
      for (const token of ['wrong', madeUp(), null]) {
        const refused = await own.get('/v1/connections', token);
        expect([refused.status, refused.body.code]).toEqual([429, 'too_many_requests']);
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
      }
      expect((await own.get('/healthz', null)).status).toBe(200);
    } finally {
      await own.close();
    }
  });

  it('use one connection to Postgres, however many come at once, and a valid token among them is found', async () => {
    const asked: number[] = [];
    let underWay = 0;
    let most = 0;
    const db: Db = new Proxy(api.db, {
      get: (target, name): unknown => {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'select' || typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          underWay += 1;
          most = Math.max(most, underWay);
          asked.push(underWay);
          setImmediate(() => {
            underWay -= 1;
          });
          return Reflect.apply(value, target, args);
        };
      },
    });
    const lookUp = lookUpInBatches((hashes) => findTokens(db, hashes));
    const good = await createToken(api.db, { name: 'among many', role: 'viewer', creator: CREATOR });
    const tries = [...Array.from({ length: 400 }, madeUp), good.token, ...Array.from({ length: 400 }, madeUp)];
    const found = await Promise.all(tries.map((token) => lookUp(hashToken(token))));
    expect(found.map((token) => token?.name ?? null).filter((name) => name !== null)).toEqual(['among many']);
    expect(most).toBe(1);
    expect(asked.length).toBeLessThan(5);
  });

  it.each(['get', 'increment'] as const)('that cannot be looked up or counted (%s) are refused', async (broken) => {
    const fail = (): Promise<never> => Promise.reject(new Error('the store is gone'));
    const failedLogins: Store = Object.assign(new CountingNothing(), { [broken]: fail });
    const own = await startApi({ failedLogins });
    try {
      const answers = await Promise.all([own.get('/v1/connections', 'wrong'), own.get('/v1/connections')]);
      // A good token needs no counting.
      expect(answers.map(({ status }) => status)).toEqual(broken === 'get' ? [401, 200] : [500, 200]);
      expect(answers.map(({ text }) => text).join()).not.toContain('the store is gone');
    } finally {
      await own.close();
    }
  });

  it('do not include requests with a valid token, however many there are', async () => {
    const own = await startApi({ failedLoginsPerMinute: 3 });
    try {
      const answers = await Promise.all(Array.from({ length: 20 }, () => own.get('/v1/connections')));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    } finally {
      await own.close();
    }
  });
});

describe('the address of a request', () => {
  const tried = async (own: Api, forwarded: string | null): Promise<number> =>
    (await own.raw('/v1/connections', forwarded === null ? {} : { headers: { 'x-forwarded-for': forwarded } })).status;
  const addressesOf = (own: Api): unknown[] =>
    own
      .log()
      .split('\n')
      .filter((line) => line.includes('"msg":"request"'))
      .map((line) => (JSON.parse(line) as { address: string }).address);

  it('is that of the connection if no proxy is trusted, whatever a header says', async () => {
    const own = await startApi({ failedLoginsPerMinute: 2 });
    try {
      const statuses = [];
      for (const forwarded of ['192.0.2.1', '192.0.2.2', '192.0.2.3', null]) statuses.push(await tried(own, forwarded));
      expect(statuses).toEqual([401, 401, 429, 429]);
      expect(new Set(addressesOf(own))).toEqual(new Set(['127.0.0.1']));
    } finally {
      await own.close();
    }
  });

  it.each([
    ['a number of proxies', 1],
    ['their range', ['127.0.0.0/8']],
    ['the name of one', ['loopback']],
  ] as const)(
    'is what the last trusted proxy names (%s), and nothing that was forged before it',
    async (_what, trust) => {
      const own = await startApi({ failedLoginsPerMinute: 2, trustProxy: trust });
      try {
        const statuses = [];
        // The proxy appends the address that it saw to whatever its client sent.
        for (const forged of ['203.0.113.1', '203.0.113.2', '203.0.113.3']) {
          statuses.push(await tried(own, `${forged}, 192.0.2.1`));
        }
        statuses.push(await tried(own, '192.0.2.2'));
        expect(statuses).toEqual([401, 401, 429, 401]);
        expect(addressesOf(own)).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2']);
      } finally {
        await own.close();
      }
    },
  );

  it('counts IPv6 neighbours as one, drops a port that a proxy adds, and ignores any text that is not an address', async () => {
    const own = await startApi({ failedLoginsPerMinute: 1, trustProxy: 1 });
    try {
      const statuses = [];
      const named = ['2001:db8::1', '2001:db8::2', '[2001:db8::3]:443', '192.0.2.1:5000', '192.0.2.1', CANARY];
      for (const forwarded of named) statuses.push(await tried(own, forwarded));
      expect(statuses).toEqual([401, 429, 429, 401, 429, 401]);
      expect(addressesOf(own)).toEqual([
        ...['2001:db8::1', '2001:db8::2', '2001:db8::3', '192.0.2.1', '192.0.2.1', '127.0.0.1'],
      ]);
    } finally {
      await own.close();
    }
  });
});

describe('requests in progress', () => {
  it('are limited for each token; the limit keeps out no other token, nor the same one afterwards', async () => {
    const own = await startApi({ requestsPerToken: 3, waitMs: 60_000 });
    try {
      const other = await createToken(own.db, { name: 'other', role: 'admin', creator: CREATOR });
      const gone = new AbortController();
      // No worker runs here, so that each waits for its verdict.
      const waiting = ['a', 'b', 'c'].map((name) => {
        const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
        const body = JSON.stringify({ name, admin_api_key: CANARY });
        return fetch(`${own.url}/v1/connections`, { method: 'POST', headers, body, signal: gone.signal });
      });
      for (const each of waiting) each.catch(() => undefined);
      await until('all to wait', () => own.temporal.started.length === 3);
      const refused = await own.get('/v1/connections');
      expect([refused.status, refused.body.code]).toEqual([429, 'too_many_requests']);
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(refused.body.detail).toBe('This token, or address, has 3 requests in progress already.');
      expect((await own.get('/v1/connections', other.token)).status).toBe(200);
      gone.abort();
      await until('them to be over', async () => (await own.get('/v1/connections')).status === 200);
    } finally {
      await own.close();
    }
  });
});
