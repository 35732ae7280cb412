import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isWholeToken } from '../../db/tokens/secret.ts';
import { CANARY, ADMIN_TOKEN, seedConnection, startApi, type Answer, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi({ failedLoginsPerMinute: 1_000 });
});
afterAll(() => api.close());

interface Made {
  readonly id: string;
  readonly token: string;
}

const soon = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();

async function make(body: object, by = ADMIN_TOKEN): Promise<Made> {
  const answer = await api.send('POST', '/v1/tokens', { name: randomUUID(), role: 'admin', ...body }, by);
  expect([answer.status, answer.text]).toEqual([201, answer.text]);
  return JSON.parse(answer.text) as Made;
}

const statusWith = async (token: string): Promise<number> => (await api.get('/v1/connections', token)).status;

describe('POST /v1/tokens', () => {
  it('shows the token once, and nothing shows or logs it again', async () => {
    const answer = await api.send('POST', '/v1/tokens', { name: 'grafana', role: 'viewer', expires_at: soon(1) });
    const { token, ...shown } = JSON.parse(answer.text) as Made;
    expect(answer.status).toBe(201);
    expect(isWholeToken(token)).toBe(true);
    expect(shown).toMatchObject({
      name: 'grafana',
      role: 'viewer',
      created_by: 'bootstrap',
      revoked_at: null,
      last_used_at: null,
    });
    expect(await statusWith(token)).toBe(200);
    const list = await api.get('/v1/tokens');
    expect(list.text).toContain('"grafana"');
    expect(list.text + api.log()).not.toContain(token.slice(0, 20));
    expect(api.log()).toMatch(/"name":"grafana","role":"viewer","actor":"bootstrap","msg":"a token is created"/);
  });

  it.each([
    [{ role: 'viewer' }, 'body.name'],
    [{ name: 'a' }, 'body.role'],
    [{ name: 'a', role: 'owner' }, 'body.role'],
    [{ name: 'bootstrap', role: 'admin' }, 'body.name'],
    [{ name: ' ', role: 'admin' }, 'body.name'],
    [{ name: 'a', role: 'admin', expires_at: '2026-01-01' }, 'body.expires_at'],
    [{ name: 'a', role: 'admin', expires_at: '2026-02-30T00:00:00Z' }, 'body.expires_at'],
    [{ name: 'a', role: 'admin', expires_at: '9999-12-31T23:59:59Z' }, 'body.expires_at'],
    [{ name: 'a\u200bb', role: 'admin' }, 'body.name'],
    [{ name: 'Meterline', role: 'admin' }, 'body.name'],
    [{ name: `my ${CANARY}`, role: 'admin' }, 'body.name'],
    [{ name: 'a', role: 'admin', id: 'x' }, 'body.id'],
  ])('refuses %j', async (body, path) => {
    const { status, body: problem } = await api.send('POST', '/v1/tokens', body);
    expect([status, problem.code, problem.errors.map((failure) => failure.path)]).toEqual([
      400,
      'invalid_request',
      [path],
    ]);
  });

  it('refuses an expiry in the past', async () => {
    const past = { name: 'a', role: 'admin', expires_at: '2020-01-01T00:00:00Z' };
    const { status, body } = await api.send('POST', '/v1/tokens', past);
    expect([status, body.code, body.errors.map(({ path }) => path)]).toEqual([409, 'conflict', ['body.expires_at']]);
  });

  it('refuses a name that is taken, until its token is revoked', async () => {
    const { id } = await make({ name: 'Ada' });
    const taken = await api.send('POST', '/v1/tokens', { name: 'Ada', role: 'viewer' });
    expect([taken.status, taken.body.code]).toEqual([409, 'conflict']);
    await api.send('DELETE', `/v1/tokens/${id}`);
    await make({ name: 'Ada' });
  });

  it('refuses an expiry after that of the token that asks', async () => {
    const short = await make({ expires_at: soon(1) });
    const late = await api.send(
      'POST',
      '/v1/tokens',
      { name: 'late', role: 'viewer', expires_at: soon(2) },
      short.token,
    );
    expect([late.status, late.body.errors.map(({ path }) => path)]).toEqual([409, ['body.expires_at']]);
    const inherited = await api.send('POST', '/v1/tokens', { name: 'inherited', role: 'viewer' }, short.token);
    expect(JSON.parse(inherited.text)).toMatchObject({
      expires_at: (short as Made & { expires_at: string }).expires_at,
    });
  });
});

describe('DELETE /v1/tokens/{id}', () => {
  it('shuts out the token and those that it created, from the next request on', async () => {
    const admin = await make({ name: 'Eve' });
    const made = await make({ role: 'viewer' }, admin.token);
    expect([await statusWith(admin.token), await statusWith(made.token)]).toEqual([200, 200]);
    const revoked = await api.send('DELETE', `/v1/tokens/${admin.id}`);
    expect(revoked.status).toBe(200);
    expect(JSON.parse(revoked.text)).toMatchObject({ name: 'Eve', revoked_by: 'bootstrap' });
    expect([await statusWith(admin.token), await statusWith(made.token)]).toEqual([401, 401]);
    expect(await api.send('DELETE', `/v1/tokens/${admin.id}`)).toMatchObject({ status: 200, text: revoked.text });
  });

  it('may be the last thing a token does', async () => {
    const admin = await make({ name: 'Leaver' });
    const left = await api.send('DELETE', `/v1/tokens/${admin.id.toUpperCase()}`, undefined, admin.token);
    expect(JSON.parse(left.text)).toMatchObject({ revoked_by: 'Leaver' });
    expect(await statusWith(admin.token)).toBe(401);
  });

  it.each([randomUUID(), 'x', '%00'])('answers 404 to an unknown or malformed id: %s', async (id) => {
    const { status, body } = await api.send('DELETE', `/v1/tokens/${id}`);
    expect([status, body.code]).toEqual([404, 'not_found']);
  });
});

describe('GET /v1/tokens', () => {
  it('gives every token once, page by page, newest first', async () => {
    for (let more = 0; more < 3; more += 1) await make({});
    const whole = (await api.get('/v1/tokens?limit=500')).body;
    expect(whole.next).toBeNull();
    const seen: string[] = [];
    for (let next: string | null = ''; next !== null;) {
      const page: Answer = await api.get(`/v1/tokens?limit=2${next === '' ? '' : `&after=${next}`}`);
      seen.push(...page.body.data.map(({ id }) => id));
      next = page.body.next;
    }
    expect(seen).toEqual(whole.data.map(({ id }) => id));
    expect(whole.data.map(({ created_at: at }) => at)).toEqual(
      whole.data
        .map(({ created_at: at }) => at)
        .sort()
        .reverse(),
    );
    expect((await api.get('/v1/tokens?after=eyJhdCI6e319')).status).toBe(409);
  });

  it('says when a token was used last', async () => {
    const { id, token } = await make({ name: 'used' });
    await statusWith(token);
    const { data } = (await api.get('/v1/tokens')).body;
    expect(data.find((each) => each.id === id)?.['last_used_at']).toMatch(/^\d{4}-/);
  });
});

it('a viewer can neither list, create nor revoke tokens, not even its own', async () => {
  const viewer = await make({ role: 'viewer' });
  for (const [method, path, body] of [
    ['GET', '/v1/tokens', undefined],
    ['POST', '/v1/tokens', { name: 'more', role: 'viewer' }],
    ['DELETE', `/v1/tokens/${viewer.id}`, undefined],
  ] as const) {
    const { status, body: problem } = await api.send(method, path, body, viewer.token);
    expect([method, status, problem.code]).toEqual([method, 403, 'forbidden']);
  }
  expect(await statusWith(viewer.token)).toBe(200);
});

it('what a token does to a connection is an event with its name', async () => {
  const { token } = await make({ name: 'Grace' });
  const id = await seedConnection(api.db, {});
  await api.send('PATCH', `/v1/connections/${id}`, { name: 'x' }, token);
  const { body } = await api.get(`/v1/connections/${id}/events`);
  expect(body.data.map(({ actor }) => actor)).toEqual(['Grace']);
});

describe('GET /v1/events', () => {
  it('says who created and revoked which token, newest first, with the tokens that were revoked along with it', async () => {
    const admin = await make({ name: 'Root' });
    const child = await make({ name: 'Child', role: 'viewer' }, admin.token);
    await api.send('DELETE', `/v1/tokens/${admin.id}`);
    const { body } = await api.get('/v1/events?limit=4');
    expect(body.data.map(({ type, actor }) => `${String(type)} by ${actor}`)).toEqual([
      'token_revoked by bootstrap',
      'token_revoked by bootstrap',
      'token_created by Root',
      'token_created by bootstrap',
    ]);
    const messages = body.data.map(({ message }) => message);
    expect(messages.slice(0, 2).sort()).toEqual([
      `Token "Child" (${child.id}) is revoked, with the token ${admin.id} that it came from.`,
      `Token "Root" (${admin.id}) is revoked.`,
    ]);
    expect(messages.slice(2)).toEqual([
      `Token "Child" (${child.id}) is created with the role viewer; it does not expire.`,
      `Token "Root" (${admin.id}) is created with the role admin; it does not expire.`,
    ]);
    expect(body.data.map(({ at }) => at)).toEqual(
      Array.from({ length: 4 }, () => expect.stringMatching(/^\d{4}-/) as string),
    );
    expect(JSON.stringify(body)).not.toContain(admin.token.slice(0, 20));
  });

  it('gives every event once, page by page, of every type or of one, also to a viewer', async () => {
    const viewer = await make({ role: 'viewer' });
    for (const query of ['', '&type=token_created']) {
      const whole = (await api.get(`/v1/events?limit=500${query}`, viewer.token)).body;
      expect([query, whole.next]).toEqual([query, null]);
      const seen: string[] = [];
      for (let next: string | null = ''; next !== null;) {
        const page: Answer = await api.get(`/v1/events?limit=2${query}${next === '' ? '' : `&after=${next}`}`);
        seen.push(...page.body.data.map(({ id }) => id));
        next = page.body.next;
      }
      expect(seen).toEqual(whole.data.map(({ id }) => id));
      expect(new Set(seen).size).toBe(seen.length);
      if (query !== '') expect(new Set(whole.data.map(({ type }) => type))).toEqual(new Set(['token_created']));
    }
    expect((await api.get('/v1/events?type=status')).status).toBe(400);
    expect((await api.get('/v1/events?after=eyJhdCI6e319')).status).toBe(409);
  });
});
