import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { holdDelivery } from '../../db/notices/starts.ts';
import { writeNotice } from '../../db/notices/outbox.ts';
import { unsubscribeToken } from '../../db/notices/unsubscribe-token.ts';
import { ALLOW_NOTHING, parseAllowList } from '../../domain/notices/allow-list.ts';
import { createToken } from '../../db/tokens/tokens.ts';
import { rows } from '../support/rows.ts';
import { ring, seedConnection, startApi, type Answer, type Api, type Row } from './support.ts';

const URL_CANARY = 'https://hooks.example.com/services/CANARYcanaryCANARY';
const SECRET_CANARY = `whsec_${'CANARY'.repeat(8)}`;
const ROUTING_CANARY = 'CANARY'.padEnd(32, '0');
const BODIES = {
  email: { kind: 'email', to: ['a@example.com', 'B@example.com'] },
  slack: { kind: 'slack', url: URL_CANARY },
  teams: { kind: 'teams', url: URL_CANARY },
  webhook: { kind: 'webhook', url: URL_CANARY, secret: SECRET_CANARY },
  pagerduty: { kind: 'pagerduty', routing_key: ROUTING_CANARY },
} as const;

let api: Api;
const seen: string[] = [];
beforeAll(async () => {
  api = await startApi({ waitMs: 500, notifyAllow: parseAllowList('10.9.8.7') ?? ALLOW_NOTHING });
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.execute(sql`truncate reports, channels, channel_addresses, notices, deliveries cascade`);
  api.temporal.delivered.length = 0;
  api.temporal.isDown = false;
  api.temporal.onDelivery = () => Promise.resolve();
});

async function send(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await api.send(method, path, body);
  seen.push(answer.text);
  return answer;
}

async function create(kind: keyof typeof BODIES, more: object = {}): Promise<string> {
  const { status, body, headers } = await send('POST', '/v1/channels', {
    name: `The ${kind}`,
    ...BODIES[kind],
    ...more,
  });
  expect(status).toBe(201);
  expect(headers.get('location')).toBe(`/v1/channels/${body.id}`);
  return body.id;
}

async function events(type: string): Promise<string[]> {
  return (await api.get(`/v1/events?type=${type}`)).body.data.map(({ message }) => message);
}

/** Ends deliveries as a worker would. */
async function answer(id: string, state: string, words: string): Promise<void> {
  await api.db.execute(sql`
    update deliveries set state = ${state}, words = ${words}, tries = tries + 1,
      ended_at = case when ${state} = 'pending' then null else now() end, ended_by = 'run'
    where id = ${id}
  `);
}

describe('a channel', () => {
  it.each(['email', 'slack', 'teams', 'webhook', 'pagerduty'] as const)(
    'of the kind %s is created, listed, read and deleted, and leaves events',
    async (kind) => {
      const id = await create(kind);
      const { body } = await api.get(`/v1/channels/${id}`);
      const target = {
        email: '2 addresses',
        slack: 'hooks.example.com',
        teams: 'hooks.example.com',
        webhook: 'hooks.example.com',
        pagerduty: '…0000',
      }[kind];
      expect(body).toMatchObject({
        id,
        name: `The ${kind}`,
        kind,
        target,
        to: kind === 'email' ? BODIES.email.to.map((address) => ({ address, unsubscribed_at: null })) : [],
        subscriptions: { kinds: null, least_severity: null, connections: null },
        enabled: true,
        disabled_reason: null,
      });
      expect((await api.get('/v1/channels')).body.data).toEqual([body]);
      expect((await send('DELETE', `/v1/channels/${id}`)).status).toBe(204);
      expect((await send('DELETE', `/v1/channels/${id}`)).status).toBe(404);
      expect((await api.get(`/v1/channels/${id}`)).status).toBe(404);
      expect((await events('channel_created'))[0]).toContain(`"The ${kind}" (${id})`);
      expect((await events('channel_deleted'))[0]).toContain(`"The ${kind}" (${id})`);
      const stored = await rows(api.db, sql`select sealed, encryption_key_id from channels where id = ${id}`);
      expect(stored).toEqual([{ sealed: null, encryption_key_id: null }]);
    },
  );

  it.each([
    [
      'https://münchen.example/hook',
      'must have ASCII characters only: write a host with letters such as ü in Punycode',
    ],
    ['https://hooks.example.com/ü', 'and such letters after the host as %XX'],
    ['ftp://hooks.example.com/x', 'must be an address that begins with https://, without spaces'],
  ])('says what is wrong with the address %s', async (url, message) => {
    const { status, body } = await send('POST', '/v1/channels', { name: 'x', kind: 'slack', url });
    expect([status, body.errors]).toEqual([
      400,
      [{ path: 'body.url', message: expect.stringContaining(message) as unknown }],
    ]);
  });

  it.each([
    ['costs@münchen.example', 'must be one mail address of ASCII characters'],
    ['costs at example.com', 'must be one mail address, such as costs@example.com'],
  ])('says what is wrong with the mail address %s', async (address, message) => {
    const { status, body } = await send('POST', '/v1/channels', { name: 'x', kind: 'email', to: [address] });
    expect([status, body.errors]).toEqual([
      400,
      [{ path: 'body.to.0', message: expect.stringContaining(message) as unknown }],
    ]);
  });

  it('keeps its name to itself until it is deleted', async () => {
    const id = await create('slack', { name: 'Same' });
    const again = await send('POST', '/v1/channels', { name: 'Same', ...BODIES.teams });
    expect(again).toMatchObject({ status: 409, body: { detail: 'Another channel has this name.' } });
    await send('DELETE', `/v1/channels/${id}`);
    await create('teams', { name: 'Same' });
  });

  it.each([
    ['a mail address with a line break', { ...BODIES.email, to: ['a@example.com\r\nBcc: b@example.com'] }, 400],
    ['no addresses', { ...BODIES.email, to: [] }, 400],
    ['an unknown kind', { kind: 'fax', to: ['a@example.com'] }, 400],
    ['an unknown kind of notices', { ...BODIES.email, subscriptions: { kinds: ['gossip'] } }, 400],
    ['a name that turns what stands beside it', { ...BODIES.email, name: 'Ops \u2066x' }, 400],
    ['a name that looks like a key', { ...BODIES.email, name: 'sk-ant-admin01-x' }, 400],
    ['a secret of another form', { ...BODIES.webhook, secret: 'hunter2' }, 400],
    ['a region that PagerDuty does not have', { ...BODIES.pagerduty, region: 'de' }, 400],
    ['a region of another kind', { ...BODIES.slack, region: 'eu' }, 409],
    ['a routing key of another form', { ...BODIES.pagerduty, routing_key: 'short' }, 400],
    ['http', { ...BODIES.slack, url: 'http://hooks.example.com/x' }, 409],
    ['a private address', { ...BODIES.slack, url: 'https://10.1.2.3/x' }, 409],
    ['the metadata of a cloud', { ...BODIES.webhook, url: 'https://169.254.169.254/latest' }, 409],
    ['a password before the host', { ...BODIES.slack, url: 'https://a:CANARY@hooks.example.com/' }, 409],
    ['no address for its kind', { kind: 'slack' }, 409],
    ['no secret for its kind', { kind: 'webhook', url: URL_CANARY }, 409],
    ['a field of another kind', { ...BODIES.email, url: URL_CANARY }, 409],
    [
      'a connection that does not exist',
      { ...BODIES.email, subscriptions: { connections: ['0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b'] } },
      409,
    ],
  ])('with %s is refused with words', async (_, body, status) => {
    const refused = await send('POST', '/v1/channels', { name: 'Bad', ...body });
    expect(refused.status).toBe(status);
    expect(refused.body.errors[0]?.message).toMatch(/^(must|does|leads|names|is|has) /);
    expect((await api.get('/v1/channels')).body.data).toEqual([]);
  });

  it('may lead to a private host that the deployment allows', async () => {
    await create('webhook', { url: 'http://10.9.8.7:9000/hook' });
  });

  it('changes what is given and keeps the rest', async () => {
    const connection = await seedConnection(api.db);
    const id = await create('email');
    const path = `/v1/channels/${id}`;
    const changed = await send('PATCH', path, {
      name: 'Other',
      to: ['b@example.com', 'c@example.com'],
      subscriptions: { kinds: ['connected'], least_severity: 'warning', connections: [connection] },
    });
    expect(changed).toMatchObject({
      status: 200,
      body: {
        name: 'Other',
        target: '2 addresses',
        to: [{ address: 'B@example.com' }, { address: 'c@example.com' }],
        subscriptions: { kinds: ['connected'], least_severity: 'warning', connections: [connection] },
      },
    });
    expect((await send('PATCH', path, { enabled: false })).body).toMatchObject({
      enabled: false,
      disabled_reason: 'Disabled by bootstrap.',
      name: 'Other',
    });
    expect((await send('POST', `${path}/test`)).status).toBe(409);
    expect((await send('PATCH', path, { enabled: true, subscriptions: {} })).body).toMatchObject({
      enabled: true,
      disabled_reason: null,
      subscriptions: { kinds: null },
    });
    expect((await send('PATCH', path, { url: URL_CANARY })).status).toBe(409);
    expect((await send('PATCH', path, {})).status).toBe(200);
  });

  it('signs with a changed secret and the one before', async () => {
    const id = await create('webhook');
    const secrets = ['NEW1', 'NEW2'].map((name) => `whsec_${name.repeat(8)}`);
    for (const secret of secrets) expect((await send('PATCH', `/v1/channels/${id}`, { secret })).status).toBe(200);
    const [stored] = await api.db.execute(sql`select sealed, encryption_key_id from channels where id = ${id}`);
    const sealed = { sealed: Buffer.from(stored?.['sealed'] as Buffer), encryptionKeyId: 'test' };
    expect(JSON.parse(ring.openSecret(sealed, id))).toEqual({ url: URL_CANARY, secrets: secrets.reverse() });
    expect(() =>
      ring.openSecret(
        sealed,
        id.replace(/^./, (first) => (first === '0' ? '1' : '0')),
      ),
    ).toThrow('cannot be opened');
  });

  it('is changed and tested by admins only, and read by everybody', async () => {
    const id = await create('email');
    const { token } = await createToken(api.db, {
      name: 'viewer',
      role: 'viewer',
      creator: { id: null, name: 'test' },
    });
    expect((await api.get('/v1/channels', token)).status).toBe(200);
    expect((await api.get('/v1/notices', token)).status).toBe(200);
    for (const [method, path] of [
      ['POST', '/v1/channels'],
      ['PATCH', `/v1/channels/${id}`],
      ['DELETE', `/v1/channels/${id}`],
      ['POST', `/v1/channels/${id}/test`],
    ] as const)
      expect((await api.send(method, path, {}, token)).status).toBe(403);
  });
});

describe('a test of a channel', () => {
  it('repeats the words of the other side for each address', async () => {
    api.temporal.onDelivery = (id) => answer(id, 'sent', '250 queued as 4XyZ');
    const id = await create('email');
    const { status, body } = await send('POST', `/v1/channels/${id}/test`);
    expect(status).toBe(200);
    const { notice_id: noticeId, deliveries } = body as unknown as { notice_id: string; deliveries: Row[] };
    expect(deliveries).toMatchObject([
      { address: 'a@example.com', state: 'sent', words: '250 queued as 4XyZ', tries: 1, notice: { id: noticeId } },
      { address: 'B@example.com', state: 'sent' },
    ]);
    expect(api.temporal.delivered.map((one) => one.id).sort()).toEqual(deliveries.map((one) => one.id).sort());
    expect(api.temporal.delivered[0]).toMatchObject({
      isAnew: false,
      summary: 'The email: Test of the channel The email',
    });
    expect(await events('channel_tested')).toHaveLength(1);
  });

  it('says why it failed, and what a first try that is repeated said', async () => {
    const id = await create('slack', { subscriptions: { kinds: ['connected'] } });
    for (const [state, words] of [
      ['failed', '404 no_service'],
      ['pending', '503 later'],
    ] as const) {
      api.temporal.onDelivery = (one) => answer(one, state, words);
      const { status, body } = await send('POST', `/v1/channels/${id}/test`);
      expect([status, body]).toMatchObject([200, { deliveries: [{ state, words }] }]);
    }
  });

  it('of PagerDuty belongs to a region, which is the United States unless it says so, and can be changed', async () => {
    const id = await create('pagerduty');
    const shown = async (): Promise<unknown> => (await send('GET', `/v1/channels/${id}`)).body;
    expect(await shown()).toMatchObject({ target: '…0000' });
    expect((await send('PATCH', `/v1/channels/${id}`, { region: 'eu' })).status).toBe(200);
    expect(await shown()).toMatchObject({ target: '…0000 (EU)' });
    expect((await send('PATCH', `/v1/channels/${id}`, { routing_key: 'CANARY'.padEnd(32, '1') })).status).toBe(200);
    expect(await shown()).toMatchObject({ target: '…1111 (EU)' });
  });

  it('is stored while no worker and no Temporal runs, and says that it goes on', async () => {
    api.temporal.isDown = true;
    const id = await create('pagerduty');
    const { status, body } = await send('POST', `/v1/channels/${id}/test`);
    expect([status, body]).toMatchObject([202, { deliveries: [{ state: 'pending', words: null, address: null }] }]);
  });
});

describe('notices and deliveries', () => {
  async function written(channelId?: string): Promise<string> {
    const connectionId = await seedConnection(api.db);
    const id = await writeNotice(api.db, {
      kind: 'key_rotated',
      dedupeKey: connectionId,
      connectionId,
      data: { connection: { id: connectionId, name: 'Acme' }, hint: 'wxyz' },
      ...(channelId === undefined ? {} : { onlyTo: [channelId] }),
    });
    return id ?? '';
  }

  it('are listed by kind and state, with where they stand', async () => {
    await create('email');
    const ids = [await written(), await written()].reverse();
    const { body } = await api.get('/v1/notices?kind=key_rotated&state=closed');
    expect(body.data.map(({ id }) => id)).toEqual(ids);
    expect(body.data[0]).toMatchObject({
      kind: 'key_rotated',
      severity: 'info',
      state: 'closed',
      subject: 'Acme uses the key …wxyz from now on',
      data: { hint: 'wxyz' },
      deliveries: { sent: 0, waiting: 2, attention: 0 },
    });
    expect((await api.get('/v1/notices?state=open')).body.data).toEqual([]);
    expect((await api.get('/v1/notices?kind=connected')).body.data).toEqual([]);
    const first = await api.get('/v1/deliveries?limit=3');
    expect(first.body.data).toHaveLength(3);
    const second = await api.get(`/v1/deliveries?limit=3&after=${first.body.next ?? ''}`);
    expect(second.body.data).toHaveLength(1);
    expect((await api.get(`/v1/deliveries?notice_id=${ids[0] ?? ''}&state=pending`)).body.data).toHaveLength(2);
  });

  it('that failed, are unknown or held are sent again; others say why not', async () => {
    const channelId = await create('slack');
    await written();
    const [{ id }] = (await api.get('/v1/deliveries')).body.data as [Row];
    const path = `/v1/deliveries/${id}/resend`;
    const early = await send('POST', path);
    expect([early.status, early.body.detail]).toEqual([409, 'The delivery is pending already, so it is on its way.']);
    for (const state of ['failed', 'unknown', 'held']) {
      await answer(id, state, 'no');
      const { status, body } = await send('POST', path);
      expect([status, body]).toMatchObject([202, { state: 'pending', words: 'no' }]);
      expect(api.temporal.delivered.at(-1)).toMatchObject({ id, isAnew: true });
    }
    expect(await events('delivery_resent')).toHaveLength(3);
    await answer(id, 'sent', 'ok');
    const late = await send('POST', path);
    expect([late.status, late.body.detail]).toEqual([409, 'The delivery is sent, and a notice is told once.']);
    expect(await holdDelivery(api.db, id)).toBe(false);
    await answer(id, 'failed', 'no');
    await send('DELETE', `/v1/channels/${channelId}`);
    expect((await send('POST', path)).status).toBe(409);
    expect((await send('POST', '/v1/deliveries/0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b/resend')).status).toBe(404);
  });

  it('that wait for a channel end with words when somebody deletes it, and still show it', async () => {
    const id = await create('slack', { name: 'Gone' });
    await written();
    await send('DELETE', `/v1/channels/${id}`);
    expect((await api.get(`/v1/deliveries?channel_id=${id}`)).body.data).toMatchObject([
      { state: 'failed', words: 'The channel was deleted by bootstrap.', channel: { name: 'Gone' } },
    ]);
  });
});

describe('unsubscribing', () => {
  const tokenOf = (channelId: string, address: string): string => unsubscribeToken(ring, { channelId, address });

  it('shows a button, and only pressing it ends the mails to this one address', async () => {
    const id = await create('email');
    const path = `/unsubscribe/${tokenOf(id, 'a@example.com')}`;
    const shown = await api.raw(path, {});
    expect(shown.status).toBe(200);
    expect(shown.text).toContain('<button>Unsubscribe</button>');
    expect(shown.headers.get('content-security-policy')).toContain("default-src 'none'");
    const addresses = async (): Promise<unknown> =>
      ((await api.get(`/v1/channels/${id}`)).body as unknown as { to: { unsubscribed_at: string | null }[] }).to.map(
        ({ unsubscribed_at: at }) => at !== null,
      );
    expect(await addresses()).toEqual([false, false]);
    for (let times = 0; times < 2; times += 1) {
      const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' });
      const done = await api.raw(path, { method: 'POST', body });
      expect([done.status, done.text]).toEqual([200, expect.stringContaining('no more mails')]);
    }
    expect(await addresses()).toEqual([true, false]);
    expect(await events('channel_unsubscribed')).toHaveLength(1);
    api.temporal.onDelivery = (one) => answer(one, 'sent', 'ok');
    const { body } = await send('POST', `/v1/channels/${id}/test`);
    expect(body).toMatchObject({ deliveries: [{ address: 'B@example.com' }] });
  });

  it('takes only links that this deployment signed, and shows an address as text', async () => {
    const id = await create('email');
    const token = tokenOf(id, 'a@example.com');
    const other = tokenOf(id, 'B@example.com');
    const mixed = `${other.split('.')[0] ?? ''}.${token.split('.')[1] ?? ''}`;
    for (const bad of ['x', '.', `${token}x`, mixed, token.slice(0, -2), `${token.split('.')[0] ?? ''}.`]) {
      for (const method of ['GET', 'POST']) expect((await api.raw(`/unsubscribe/${bad}`, { method })).status).toBe(404);
    }
    const shown = await api.raw(`/unsubscribe/${tokenOf(id, '<script>alert(1)</script>@example.com')}`, {});
    expect(shown.text).not.toContain('<script>');
    expect((await api.raw(`/unsubscribe/${token}`, { method: 'DELETE' })).status).toBe(405);
  });
});

it('no reply, no log line and no row has a secret of a channel in it', async () => {
  await create('webhook');
  await create('slack');
  await create('pagerduty');
  await send('POST', '/v1/channels', { name: 'x', kind: 'slack', url: URL_CANARY, secret: SECRET_CANARY });
  const stored = await rows(api.db, sql`select c::text as row from channels c`);
  for (const text of [...seen, api.log(), JSON.stringify(stored)]) expect(text).not.toMatch(/CANARY/);
});
