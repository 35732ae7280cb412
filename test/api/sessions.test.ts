import { randomUUID } from 'node:crypto';
import { eq, sql, type AnyColumn, type SQL } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { links, sessions, tokens } from '../../db/schema.ts';
import { createLink } from '../../db/sessions/links.ts';
import { hashToken, mintToken } from '../../db/tokens/secret.ts';
import { createToken, revokeToken } from '../../db/tokens/tokens.ts';
import { COMMAND, type TokenRole } from '../../domain/tokens.ts';
import { CREATOR } from '../db/support.ts';
import { ADMIN_TOKEN, ring, seedConnection, startApi, type Answer, type Api } from './support.ts';

const HTTPS = 'https://meterline.example';

let api: Api;
/** The same with a public address. */
let secure: Api;
beforeAll(async () => {
  api = await startApi({ failedLoginsPerMinute: 1_000 });
  secure = await startApi({ publicUrl: () => HTTPS });
});
afterAll(() => Promise.all([api.close(), secure.close()]));

interface Document {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly begun_with: string;
  readonly token_id: string | null;
  readonly current: boolean;
  readonly created_at: string;
  readonly last_seen_at: string;
  readonly expires_at: string;
}

interface Begun {
  readonly answer: Answer;
  readonly session: Document;
  /** The header that the browser sends from now on. */
  readonly cookie: string;
}

const begin = (token: string, headers: Record<string, string> = {}, to = api): Promise<Answer> =>
  to.raw('/v1/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ token }),
  });

async function begun(token: string): Promise<Begun> {
  const answer = await begin(token, { 'sec-fetch-site': 'same-origin' });
  expect([answer.status, answer.text]).toEqual([201, answer.text]);
  const [cookie = ''] = (answer.headers.get('set-cookie') ?? '').split(';');
  return { answer, session: JSON.parse(answer.text) as Document, cookie };
}

/** What a browser on our own pages sends. */
function browse(method: string, path: string, { cookie }: Begun, body?: object): Promise<Answer> {
  return api.raw(path, {
    method,
    headers: { cookie, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** As if a session had begun so much earlier, and had been idle since unless told. */
async function makeOlder({ session }: Begun, by: SQL, isIdle = true): Promise<void> {
  const earlier = (column: AnyColumn): SQL => sql`${column} - (${by})`;
  await api.db
    .update(sessions)
    .set({
      createdAt: earlier(sessions.createdAt),
      expiresAt: earlier(sessions.expiresAt),
      ...(isIdle ? { lastSeenAt: earlier(sessions.lastSeenAt) } : {}),
    })
    .where(eq(sessions.id, session.id));
}

const statusOf = async (session: Begun): Promise<number> => (await browse('GET', '/v1/session', session)).status;
const newToken = (role: TokenRole, name: string = randomUUID()): ReturnType<typeof createToken> =>
  createToken(api.db, { name, role, creator: CREATOR });
const link = (): Promise<string> => createLink(api.db, COMMAND);
const eventsOf = async (type: string): Promise<[string, string][]> =>
  (await api.get(`/v1/events?limit=500&type=${type}`)).body.data.map(({ actor, message }) => [actor, message]);

describe('a session', () => {
  it('begins with a link: its cookie is an admin with a name of its own, and no body shows the secret', async () => {
    const linkToken = await link();
    const one = await begun(linkToken);
    expect(one.session).toMatchObject({ name: 'console', role: 'admin', begun_with: 'link', token_id: null });
    expect(one.session).toMatchObject({ current: true });
    const id = await seedConnection(api.db, {});
    expect((await browse('PATCH', `/v1/connections/${id}`, one, { name: 'Renamed' })).status).toBe(200);
    const { data } = (await api.get(`/v1/connections/${id}/events`)).body;
    expect(data.map(({ actor }) => actor)).toEqual(['console']);
    const [, secret = ''] = one.cookie.split('=');
    expect(secret.length).toBeGreaterThan(40);
    for (const text of [one.answer.text, (await browse('GET', '/v1/sessions', one)).text, api.log()]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(linkToken);
    }
    const [row] = await api.db.select().from(sessions).where(eq(sessions.id, one.session.id));
    expect(row?.hash).toEqual(hashToken(secret));
    expect(await eventsOf('link_created')).toContainEqual([COMMAND, expect.stringMatching(/^Link \S+ is created\./)]);
    expect(await eventsOf('session_begun')).toContainEqual([
      'console',
      expect.stringMatching(new RegExp(`^Session ${one.session.id} begins with link \\S+\\.$`)),
    ]);
  });

  it('begins with a token and has its name and its role: the session of a viewer only reads', async () => {
    const viewer = await newToken('viewer', 'Vera');
    const one = await begun(viewer.token);
    expect(one.session).toMatchObject({ name: 'Vera', role: 'viewer', begun_with: 'token', token_id: viewer.id });
    expect((await browse('GET', '/v1/connections', one)).status).toBe(200);
    for (const [method, path] of [
      ['GET', '/v1/tokens'],
      ['GET', '/v1/sessions'],
      ['POST', '/v1/tokens'],
      ['DELETE', `/v1/sessions/${one.session.id}`],
    ] as const) {
      expect([method, path, (await browse(method, path, one)).body.code]).toEqual([method, path, 'forbidden']);
    }
    const admin = await begun((await newToken('admin', 'Ada')).token);
    const made = await browse('POST', '/v1/tokens', admin, { name: 'by Ada', role: 'viewer' });
    expect([made.status, JSON.parse(made.text)]).toEqual([201, expect.objectContaining({ created_by: 'Ada' })]);
    const first = await begun(ADMIN_TOKEN);
    expect(first.session).toMatchObject({ name: 'bootstrap', role: 'admin', begun_with: 'token', token_id: null });
    expect((await browse('GET', '/v1/tokens', first)).status).toBe(200);
  });

  it('lasts seven days at the latest, and never longer than its token', async () => {
    const day = 86_400_000;
    const ends = ({ session }: Begun): number => Date.parse(session.expires_at) - Date.parse(session.created_at);
    expect(ends(await begun(await link()))).toBe(7 * day);
    const expiresAt = new Date(Date.now() + day);
    const short = await createToken(api.db, { name: 'short', role: 'viewer', expiresAt, creator: CREATOR });
    const one = await begun(short.token);
    expect(one.session.expires_at).toBe(expiresAt.toISOString());
    const cookie = one.answer.headers.get('set-cookie') ?? '';
    expect(Number(/Max-Age=(\d+)/.exec(cookie)?.[1])).toBeLessThanOrEqual(day / 1000);
  });

  it.each([
    ['twelve hours after its last request', '12 hours', true],
    ['seven days after its beginning', '7 days', false],
  ])('ends %s', async (_when, after, isIdle) => {
    const one = await begun(await link());
    await makeOlder(one, sql`${after}::interval - interval '1 minute'`, isIdle);
    expect(await statusOf(one)).toBe(200);
    await makeOlder(one, isIdle ? sql`${after}::interval` : sql`interval '1 minute'`, isIdle);
    expect(await statusOf(one)).toBe(401);
    // The next one that begins drops its row.
    const two = await begun(await link());
    const rows = await api.db.select().from(sessions).where(eq(sessions.id, one.session.id));
    expect([rows.length, await statusOf(two)]).toEqual([0, 200]);
  });

  it('records when it was seen last, at most once a minute', async () => {
    const one = await begun(await link());
    const seen = async (): Promise<number> =>
      (await api.db.select().from(sessions).where(eq(sessions.id, one.session.id)))[0]?.lastSeenAt.getTime() ?? 0;
    const before = await seen();
    await statusOf(one);
    expect(await seen()).toBe(before);
    await makeOlder(one, sql`interval '1 hour'`);
    await statusOf(one);
    expect(await seen()).toBeGreaterThan(before);
  });

  it('ends with the token that it began with, and with the one that created that', async () => {
    const parent = await newToken('admin');
    const { token: child } = await createToken(api.db, {
      name: 'child',
      role: 'admin',
      creator: { id: parent.id, name: parent.name },
    });
    const other = await begun((await newToken('admin')).token);
    const [ofParent, ofChild] = [await begun(parent.token), await begun(child)];
    await revokeToken(api.db, parent.id, 'test');
    expect(await Promise.all([ofParent, ofChild, other].map(statusOf))).toEqual([401, 401, 200]);
    expect(await eventsOf('token_revoked')).toContainEqual([
      'test',
      `Token "${parent.name}" (${parent.id}) is revoked. Sessions that end with it: 1.`,
    ]);
  });

  it('of a METERLINE_API_TOKEN of before has ended, and nobody can guess that token by the database', async () => {
    const one = await begun(ADMIN_TOKEN);
    const [row] = await api.db.select().from(sessions).where(eq(sessions.id, one.session.id));
    expect(row?.bootstrapTag).toEqual(ring.tags(ADMIN_TOKEN)[0]);
    expect(row?.bootstrapTag).not.toEqual(hashToken(ADMIN_TOKEN));
    await api.db
      .update(sessions)
      .set({ bootstrapTag: ring.tags('another-token-0123456789')[0] })
      .where(eq(sessions.id, one.session.id));
    expect(await statusOf(one)).toBe(401);
    const listed = (await api.get('/v1/sessions?limit=500')).body.data.map(({ id }) => id);
    expect(listed).not.toContain(one.session.id);
  });

  it('ends at the wish of its browser, which then drops the cookie, of a viewer too', async () => {
    const viewer = await newToken('viewer', 'Victor');
    const one = await begun(viewer.token);
    const ended = await browse('DELETE', '/v1/session', one);
    expect([ended.status, ended.text]).toEqual([204, '']);
    expect(ended.headers.get('set-cookie')).toMatch(/^meterline-\d+=; Path=\/; Max-Age=0; HttpOnly; SameSite=Strict$/);
    expect(await statusOf(one)).toBe(401);
    expect(await eventsOf('session_ended')).toContainEqual(['Victor', `Session ${one.session.id} is ended.`]);
    expect((await api.get('/v1/connections', viewer.token)).status).toBe(200);
    // A token has no session to end.
    expect((await api.send('DELETE', '/v1/session')).status).toBe(204);
  });
});

describe('sessions of one token', () => {
  it('are fifty at most: the next one ends the oldest of them, and none of another token', async () => {
    const create = (name: string) => createToken(api.db, { name, role: 'viewer', creator: CREATOR });
    const [token, other] = [await create('many sessions'), await create('one session')];
    const another = await begun(other.token);
    const first = await begun(token.token);
    const second = await begun(token.token);
    for (let more = 0; more < 49; more += 1) await begun(token.token);
    const statuses = await Promise.all([first, second, another].map((each) => browse('GET', '/v1/session', each)));
    expect(statuses.map(({ status }) => status)).toEqual([401, 200, 200]);
    const { data } = (await api.get('/v1/events?type=session_ended')).body;
    expect(data[0]?.message).toBe(`Session ${first.session.id} is ended, because 50 newer ones began in the same way.`);
  });
});

test('whoever asks whether somebody is signed in uses up nobody’s tries, and a wrong token does', async () => {
  const own = await startApi({ failedLoginsPerMinute: 2 });
  for (let more = 0; more < 5; more += 1) expect((await own.get('/v1/session', null)).status).toBe(401);
  const tries = [await own.get('/v1/session', 'wrong'), await own.get('/v1/session', 'wrong')];
  expect([...tries, await own.get('/v1/session', 'wrong')].map(({ status }) => status)).toEqual([401, 401, 429]);
  expect((await own.get('/v1/session', null)).status).toBe(401);
  await own.close();
});

describe('a link', () => {
  it('works once, also for two at once', async () => {
    const linkToken = await link();
    const answers = await Promise.all(Array.from({ length: 8 }, () => begin(linkToken)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(401)]);
  });

  it('works for five minutes, and the next one drops its row', async () => {
    const linkToken = await link();
    const [row] = await api.db
      .select()
      .from(links)
      .where(eq(links.hash, hashToken(linkToken)));
    expect((row?.expiresAt.getTime() ?? 0) - (row?.createdAt.getTime() ?? 0)).toBe(5 * 60_000);
    const past = { createdAt: sql`now() - interval '5 minutes'`, expiresAt: sql`now()` };
    await api.db
      .update(links)
      .set(past)
      .where(eq(links.hash, hashToken(linkToken)));
    expect((await begin(linkToken)).status).toBe(401);
    await link();
    expect(
      await api.db
        .select()
        .from(links)
        .where(eq(links.hash, hashToken(linkToken))),
    ).toEqual([]);
  });

  it('that is used, too old, unknown or cut gets the same 401, which says how to get another', async () => {
    const used = await link();
    await begun(used);
    const old = await link();
    const past = { createdAt: sql`now() - interval '5 minutes'`, expiresAt: sql`now()` };
    await api.db
      .update(links)
      .set(past)
      .where(eq(links.hash, hashToken(old)));
    const answers = await Promise.all([used, old, mintToken('link'), used.slice(0, -3)].map((text) => begin(text)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.body).toMatchObject({ code: 'unauthorized', status: 401 });
    expect(answers[0]?.body.detail).toBe(
      'A link works once, and for 5 minutes. On the server, "npm run link" prints another.',
    );
  });

  it('is no token of the API and no cookie, and the secret of a session begins no session', async () => {
    const linkToken = await link();
    const one = await begun(await link());
    const [name = '', secret = ''] = one.cookie.split('=');
    for (const text of [linkToken, secret]) expect((await api.get('/v1/connections', text)).status).toBe(401);
    const asCookie = await api.raw('/v1/connections', { headers: { cookie: `${name}=${linkToken}` } });
    expect([asCookie.status, (await begin(secret)).status]).toEqual([401, 401]);
    await begun(linkToken);
  });
});

describe('POST /v1/session', () => {
  it('with a token that is malformed, unknown, revoked or expired gets the same 401', async () => {
    const [revoked, expired] = [await newToken('admin'), await newToken('admin')];
    await revokeToken(api.db, revoked.id, 'test');
    const past = { createdAt: new Date(Date.now() - 2_000), expiresAt: new Date(Date.now() - 1_000) };
    await api.db.update(tokens).set(past).where(eq(tokens.id, expired.id));
    const texts = ['x', mintToken(), `${ADMIN_TOKEN}0`, revoked.token, expired.token, revoked.token.slice(0, -1)];
    const answers = await Promise.all(texts.map((text) => begin(text)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.body.code).toBe('unauthorized');
    for (const { headers } of answers) expect(headers.get('set-cookie')).toBeNull();
  });

  it('counts failed tries with those of other routes, and a valid token still passes', async () => {
    const own = await startApi({ failedLoginsPerMinute: 3 });
    try {
      const statuses = [];
      for (const text of ['wrong', mintToken(), mintToken('link'), mintToken('link')]) {
        statuses.push((await begin(text, {}, own)).status);
      }
      statuses.push((await own.get('/v1/connections', 'wrong')).status, (await begin(ADMIN_TOKEN, {}, own)).status);
      expect(statuses).toEqual([401, 401, 401, 429, 429, 201]);
    } finally {
      await own.close();
    }
  });

  it.each([
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from another host of the site', { 'sec-fetch-site': 'same-site' }],
    ['from another origin, by a browser that says no more', { origin: 'http://evil.example' }],
    ['from a page without an origin', { origin: 'null' }],
  ])('%s begins nothing, because that page would choose whose session it is', async (_where, headers) => {
    const answer = await begin(ADMIN_TOKEN, headers);
    expect([answer.status, answer.body.code]).toEqual([403, 'foreign_origin']);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it.each([
    ['our own page', { 'sec-fetch-site': 'same-origin' }],
    ['the address bar', { 'sec-fetch-site': 'none' }],
    ['a program', {}],
  ])('from %s begins a session', async (_where, headers) => {
    expect((await begin(ADMIN_TOKEN, headers)).status).toBe(201);
  });

  it.each(['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data'])(
    'takes no %s, which a form of another page could send',
    async (type) => {
      const answer = await begin(ADMIN_TOKEN, { 'content-type': type });
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    },
  );
});

describe('the cookie', () => {
  it('is for this deployment alone: by port, for no script, no other site, and no other path', async () => {
    const { answer } = await begun(await link());
    const { port } = new URL(api.url);
    expect(answer.headers.get('set-cookie')).toMatch(
      new RegExp(
        `^meterline-${port}=meterline-session_[\\w-]{38}; Path=/; Max-Age=604(800|79\\d); HttpOnly; SameSite=Strict$`,
      ),
    );
  });

  it('is Secure and bound to its host where the public address is https', async () => {
    const answer = await begin(ADMIN_TOKEN, { origin: HTTPS }, secure);
    const header = answer.headers.get('set-cookie') ?? '';
    expect(header).toMatch(/^__Host-meterline-443=\S+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/);
    const [cookie = ''] = header.split(';');
    expect((await secure.raw('/v1/session', { headers: { cookie } })).status).toBe(200);
    expect((await secure.raw('/v1/session', { headers: { cookie: cookie.replace('__Host-', '') } })).status).toBe(401);
  });

  it('counts only where no header has a token, and not if there are two', async () => {
    const one = await begun(await link());
    const { cookie } = one;
    const both = (authorization: string): Promise<Answer> =>
      api.raw('/v1/session', { headers: { cookie, authorization } });
    expect((await both('Bearer wrong')).status).toBe(401);
    expect((await both('')).status).toBe(401);
    expect(JSON.parse((await both(`Bearer ${ADMIN_TOKEN}`)).text)).toMatchObject({ name: 'bootstrap', session: null });
    const among = (text: string): Promise<Answer> => api.raw('/v1/session', { headers: { cookie: text } });
    expect((await among(`a=b; ${cookie};c="d"`)).status).toBe(200);
    expect((await among(`${cookie}; ${cookie}`)).status).toBe(401);
    expect((await among(`${cookie.split('=')[0] ?? ''}=${mintToken('session')}`)).status).toBe(401);
    expect((await among(`x-${cookie}`)).status).toBe(401);
  });

  describe('changes something', () => {
    let one: Begun;
    let path: string;
    beforeEach(async () => {
      one = await begun(await link());
      path = `/v1/connections/${await seedConnection(api.db, {})}`;
    });
    const rename = (headers: Record<string, string>): Promise<Answer> =>
      api.raw(path, {
        method: 'PATCH',
        headers: { cookie: one.cookie, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ name: 'x' }),
      });

    it.each([
      ['nothing about its origin', {}],
      ['the address bar', { 'sec-fetch-site': 'none' }],
      ['another site', { 'sec-fetch-site': 'cross-site' }],
      ['another host of the site', { 'sec-fetch-site': 'same-site' }],
      ['another port', { origin: 'http://127.0.0.1:1' }],
      ['no origin', { origin: 'null' }],
    ])('not if the request names %s', async (_what, headers) => {
      const answer = await rename(headers);
      expect([answer.status, answer.body.code]).toEqual([403, 'foreign_origin']);
      const del = await api.raw('/v1/session', { method: 'DELETE', headers: { cookie: one.cookie, ...headers } });
      expect(del.status).toBe(403);
      expect(await statusOf(one)).toBe(200);
    });

    it('from our own page, which says so by Sec-Fetch-Site or by its origin', async () => {
      expect((await rename({ 'sec-fetch-site': 'same-origin' })).status).toBe(200);
      expect((await rename({ origin: api.url })).status).toBe(200);
    });
  });
});

describe('GET /v1/session', () => {
  it('says who asks, by a token or by a session', async () => {
    const viewer = await newToken('viewer', 'Vanessa');
    const byToken = await api.get('/v1/session', viewer.token);
    expect(JSON.parse(byToken.text)).toEqual({ name: 'Vanessa', role: 'viewer', session: null });
    const one = await begun(viewer.token);
    const byCookie = await browse('GET', '/v1/session', one);
    expect(JSON.parse(byCookie.text)).toEqual({ name: 'Vanessa', role: 'viewer', session: one.session });
    expect((await api.get('/v1/session', null)).status).toBe(401);
  });
});

describe('the list of sessions', () => {
  it('shows each that lasts once, newest first, page by page, although one ends between two pages', async () => {
    const own: Begun[] = [];
    for (let index = 0; index < 5; index += 1) own.push(await begun(await link()));
    const whole = (await api.get('/v1/sessions?limit=500')).body.data.map(({ id }) => id);
    expect(whole.slice(0, 5)).toEqual(own.map(({ session }) => session.id).reverse());
    const first = (await api.get('/v1/sessions?limit=2')).body;
    const [last] = first.data.slice(-1);
    expect((await api.send('DELETE', `/v1/sessions/${last?.id ?? ''}`)).status).toBe(204);
    const rest = (await api.get(`/v1/sessions?limit=500&after=${first.next ?? ''}`)).body;
    expect([...first.data, ...rest.data].map(({ id }) => id)).toEqual(whole);
    expect(rest.next).toBeNull();
  });

  it('marks the session that asks, and an admin ends any other', async () => {
    const [one, two] = [await begun(await link()), await begun(ADMIN_TOKEN)];
    const listed = (await browse('GET', '/v1/sessions?limit=500', one)).body.data;
    expect(listed.filter(({ current }) => current === true).map(({ id }) => id)).toEqual([one.session.id]);
    const revoked = await browse('DELETE', `/v1/sessions/${two.session.id.toUpperCase()}`, one);
    expect([revoked.status, await statusOf(two), await statusOf(one)]).toEqual([204, 401, 200]);
    expect(await eventsOf('session_revoked')).toContainEqual(['console', `Session ${two.session.id} is revoked.`]);
    for (const id of [two.session.id, randomUUID(), 'x']) {
      const again = await browse('DELETE', `/v1/sessions/${id}`, one);
      expect([again.status, again.body.code]).toEqual([404, 'not_found']);
    }
  });
});
