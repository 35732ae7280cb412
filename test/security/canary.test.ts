import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { searchAttributes } from '../../workflows/search-attributes.ts';
import { prepare } from '../processes/support.ts';
import { until } from '../support/wait.ts';
import { searchDatabase, searchFiles, searchTemporal, withTemporal } from './places.ts';
import { SPELLING_NAMES, Search, adminKey, secret, type Finding, type Secret } from './search.ts';
import { spelled } from './spelled.ts';
import { openTold, type Told } from './told.ts';
import {
  portsOf,
  startSimulatorProcess,
  startStack,
  watchCommandLines,
  type SimulatorProcess,
  type Stack,
} from './stack.ts';

/** Where the stack keeps a secret on purpose, readable by its owner only. Everything else is searched. */
const KEPT_IN = { token: 'api-token', ring: 'encryption-keys', password: 'postgres-password' };
const PATIENCE_MS = 60_000;

const newKey = (kind = 'admin01'): string => `sk-ant-${kind}-${randomBytes(69).toString('base64url')}AA`;
const keys = {
  first: newKey(),
  rotated: newKey(),
  staged: newKey(),
  abandoned: newKey(),
  crashing: newKey(),
  forbidden: newKey(),
  unknown: newKey(),
  refused: newKey(),
  ofWorkspace: newKey('api03'),
  misplaced: newKey(),
};
/** A token that is none, of the form of one. */
const guessed = `meterline_${randomBytes(28).toString('base64url')}`;

let simulator: SimulatorProcess;
let told: Told;
let stack: Stack;
let commandLines: () => string;
const replies: Buffer[] = [];

beforeAll(async () => {
  await prepare();
  simulator = await startSimulatorProcess();
  await simulator.addOrganization('First', [
    { key: keys.first },
    { key: keys.rotated },
    { key: keys.staged },
    { key: keys.abandoned },
    { key: keys.forbidden, state: 'forbidden' },
  ]);
  await simulator.addOrganization('Crashing', [{ key: keys.crashing }]);
  commandLines = watchCommandLines();
  told = await openTold();
  stack = await startStack(simulator.url, told.env);
}, 300_000);

afterAll(async () => {
  await stack.stop();
  await simulator.stop();
  await told.close();
});

const replySchema = z
  .looseObject({
    id: z.string(),
    connection_id: z.string(),
    code: z.string(),
    status: z.unknown(),
    key: z.object({ hint: z.string() }).nullable(),
    error: z.object({ code: z.string(), detail: z.string().nullish(), message: z.string() }).nullable(),
    token: z.string(),
    signal: z.object({ workflow_id: z.string(), name: z.string(), input: z.object({ keyId: z.string() }) }),
  })
  .partial();
type Reply = z.output<typeof replySchema>;

/** Asks the API, and keeps all that it answers, headers too, but for what `shown` says is meant to be seen once. */
async function ask(
  method: string,
  path: string,
  body?: unknown,
  { token = stack.kept(KEPT_IN.token), shown }: { token?: string; shown?: (body: Reply) => string | undefined } = {},
): Promise<{ code: number; body: Reply }> {
  const response = await fetch(stack.apiUrl + path, {
    method,
    redirect: 'manual',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  const reply = isJson ? replySchema.parse(JSON.parse(text)) : {};
  const once = shown?.(reply);
  const kept = once === undefined ? text : text.replace(once, '(shown once)');
  replies.push(Buffer.from(`${method} ${response.status} ${JSON.stringify([...response.headers])}\n${kept}\n`));
  return { code: response.status, body: reply };
}

async function expectReply(
  code: number | [number, string],
  ...request: Parameters<typeof ask>
): Promise<Reply & { id: string }> {
  const reply = await ask(...request);
  const said = typeof code === 'number' ? reply.code : [reply.code, reply.body.code];
  expect(said, `${request[0]} ${request[1].split('/').slice(0, 3).join('/')}`).toEqual(code);
  return { ...reply.body, id: reply.body.id ?? '' };
}

async function becomes(id: string, what: string, check: (reply: Reply) => boolean): Promise<void> {
  const path = `/v1/connections/${id}`;
  const told = until(what, async () => check((await ask('GET', path)).body), PATIENCE_MS);
  await told.catch(async (error: unknown) => {
    for (const list of ['', '/syncs', '/events']) await ask('GET', path + list);
    throw new Error(`${String(error)}\n${replies.slice(-3).join('')}`);
  });
}

/** Whatever somebody may send by mistake: keys that are none, and keys where no key belongs. */
async function sendMistakes(): Promise<void> {
  const path = '/v1/connections';
  const { misplaced, ofWorkspace } = keys;
  const wrong = [
    ofWorkspace,
    `${misplaced}\n`,
    `${misplaced}\u2603`,
    `${misplaced}\0`,
    misplaced.repeat(100),
    ` ${misplaced}`,
  ];
  for (const key of wrong) await expectReply([422, 'key_format'], 'POST', path, { name: 'Wrong', admin_api_key: key });
  await expectReply(400, 'POST', path, { name: `My ${misplaced}`, admin_api_key: misplaced });
  await expectReply(400, 'POST', path, { name: 'Wrong', admin_api_key: misplaced, [misplaced]: misplaced });
  await expectReply(400, 'POST', path, `{"name": "Wrong", "admin_api_key": "${misplaced}`);
  await expectReply(413, 'POST', path, { name: 'Wrong', admin_api_key: misplaced.repeat(1_000) });
  await expectReply(400, 'GET', `${path}?after=${misplaced}`);
  await expectReply(400, 'GET', `${path}?${misplaced}=${misplaced}`);
  await expectReply(404, 'GET', `${path}/${misplaced}`);
  await expectReply(404, 'POST', `${path}/${misplaced}/sync`, {});
  for (const token of [misplaced, guessed]) await expectReply(401, 'GET', path, undefined, { token });
}

/** A connection whose first verdict comes late, since Anthropic has an outage that quotes the key. */
async function connect(): Promise<string> {
  const made = { name: 'First', admin_api_key: keys.first, backfill_days: 5 };
  await simulator.fault({
    kind: 'status',
    status: 500,
    report: 'organization',
    message: `no ${keys.first}`,
    times: 'always',
  });
  const { id } = await expectReply(202, 'POST', '/v1/connections', made);
  await becomes(id, 'the outage to be shown', ({ error }) => error?.detail?.startsWith('HTTP 500') === true);
  await simulator.clearFaults();
  await becomes(id, 'the first connection to be active', ({ status }) => status === 'active');
  for (const [key, code] of [
    [keys.unknown, 'key_invalid'],
    [keys.forbidden, 'key_forbidden'],
  ] as const)
    await expectReply([422, code], 'POST', '/v1/connections', { name: 'Refused', admin_api_key: key });
  return id;
}

/** One sync in which each part fails once, and then syncs that fail as a whole; what can quotes the key. */
async function fail(id: string): Promise<void> {
  const { first: key } = keys;
  const quoted = `x-api-key ${key} is odd (${key.slice(0, 60)}, ${key.slice(0, -1)})`;
  await simulator.fault({ kind: 'unknown_error_type', report: 'workspaces', message: quoted, key });
  await simulator.fault({ kind: 'rate_limited', retryAfter: 1, report: 'cost', grouped: false, message: quoted, key });
  await simulator.fault({ kind: 'html_error', report: 'cost', grouped: true, key });
  await simulator.fault({ kind: 'redirect', report: 'usage', location: `http://127.0.0.1:9/?key=${key}`, key });
  await simulator.fault({ kind: 'truncated_json', report: 'usage', after: 1, key });
  await expectReply(202, 'POST', `/v1/connections/${id}/sync`, {});
  await until(
    'every fault to strike',
    async () => Object.values(await simulator.fired()).every((count) => count > 0),
    PATIENCE_MS,
  );
  await becomes(id, 'it to be active again', ({ status }) => status === 'active');
  await simulator.clearFaults();

  for (const fault of [
    { kind: 'status', status: 400, report: 'workspaces', message: quoted },
    { kind: 'bad_amount', report: 'cost', amount: key },
    { kind: 'unauthorized', report: 'workspaces' },
  ] as const) {
    // As often as a sync tries, so that it fails as a whole.
    await simulator.fault({ ...fault, key, times: 'always' });
    await expectReply(202, 'POST', `/v1/connections/${id}/sync`, {});
    await becomes(id, `${fault.kind} to be shown`, ({ status, error }) => status === 'degraded' && error != null);
    await simulator.clearFaults();
    await expectReply(202, 'POST', `/v1/connections/${id}/sync`, {});
    await becomes(
      id,
      `it to be active after ${fault.kind}`,
      ({ status, error }) => status === 'active' && error === null,
    );
  }
}

/** Kills the worker while it waits for a page of costs, and lets another one go on. */
async function crash(): Promise<() => Promise<void>> {
  await simulator.fault({ kind: 'hold', report: 'cost', grouped: true, key: keys.crashing });
  const { id } = await expectReply(201, 'POST', '/v1/connections', {
    name: 'Crashing',
    admin_api_key: keys.crashing,
    backfill_days: 5,
  });
  await until('a page to be asked for', async () => (await simulator.fired())['hold'] === 1, PATIENCE_MS);
  const pid = stack.pidOf('worker');
  if (pid === undefined) throw new Error('there is no worker');
  process.kill(pid, 'SIGKILL');
  await until('another worker', () => ![pid, undefined].includes(stack.pidOf('worker')), PATIENCE_MS);
  await simulator.clearFaults();
  return async () => {
    await becomes(id, 'the connection to be read after the crash', ({ status }) => status === 'active');
  };
}

/** By the API, a key that is revoked and one that is refused; and by a staged key and a signal; and one that is forgotten. */
async function rotate(id: string): Promise<void> {
  const path = `/v1/connections/${id}`;
  await simulator.setKeyState(keys.first, 'revoked');
  await expectReply(202, 'POST', `${path}/sync`, {});
  await becomes(id, 'it to wait for a key', ({ status }) => status === 'awaiting_key');
  await expectReply([422, 'key_invalid'], 'POST', `${path}/rotate-key`, { admin_api_key: keys.refused });
  await expectReply(200, 'POST', `${path}/rotate-key`, { admin_api_key: keys.rotated });
  const { signal } = await expectReply(201, 'POST', `${path}/keys`, { admin_api_key: keys.staged });
  await withTemporal(stack.temporalAddress, async ({ workflow }) => {
    if (signal === undefined) throw new Error('no signal is given');
    await workflow.getHandle(signal.workflow_id).signal(signal.name, signal.input);
  });
  await becomes(id, 'the staged key to serve', ({ key }) => key?.hint === keys.staged.slice(-4));
  await becomes(id, 'it to be active', ({ status }) => status === 'active');
  await expectReply(201, 'POST', `${path}/keys`, { admin_api_key: keys.abandoned });
}

/** Makes, uses and revokes a token by the API, and one by the command. */
async function useTokens(): Promise<Secret[]> {
  const shown = ({ token }: Reply): string | undefined => token;
  const { id, token = '' } = await expectReply(
    201,
    'POST',
    '/v1/tokens',
    { name: 'reader', role: 'viewer' },
    { shown },
  );
  await expectReply(200, 'GET', '/v1/connections', undefined, { token });
  await expectReply(403, 'POST', '/v1/connections', { name: 'x', admin_api_key: keys.misplaced }, { token });
  await expectReply(200, 'DELETE', `/v1/tokens/${id}`);
  await expectReply(401, 'GET', '/v1/connections', undefined, { token });

  const { output, code } = await stack.command('tokens', 'create', '--name', 'other', '--role', 'admin');
  expect(code).toBe(0);
  const [made = ''] = output.split('\n');
  replies.push(Buffer.from(output.replace(made, '(shown once)')));
  await expectReply(200, 'GET', '/v1/tokens', undefined, { token: made });
  for (const command of [
    ['tokens', 'list'],
    ['keys', 'status'],
    ['keys', 'rewrap'],
  ] as const) {
    const [program, ...args] = command;
    replies.push(Buffer.from((await stack.command(program, ...args)).output));
  }
  return [secret('token of the API', token, 'meterline_'), secret('token of the command', made, 'meterline_')];
}

/** Signs a browser in by the link of the start and by that of the command, uses both sessions, and ends one. */
async function useSessions(): Promise<Secret[]> {
  const { output } = await stack.command('link');
  const linkTokens = [stack.terminal(), output].map((text) => /#\/enter\/(\S+)/.exec(text)?.[1] ?? '');
  replies.push(Buffer.from(output.replace(linkTokens[1] ?? '', '(shown once)')));
  const secrets: Secret[] = [];
  for (const linkToken of linkTokens) {
    const init = { method: 'POST', headers: { 'content-type': 'application/json', origin: stack.apiUrl } };
    const body = JSON.stringify({ token: linkToken });
    const begun = await fetch(`${stack.apiUrl}/v1/session`, { ...init, body });
    const cookie = begun.headers.get('set-cookie') ?? '';
    const [pair = ''] = cookie.split(';');
    const value = pair.split('=')[1] ?? '';
    expect([begun.status, value.length > 40]).toEqual([201, true]);
    const headers = JSON.stringify([...begun.headers]).replace(value, '(shown once)');
    replies.push(Buffer.from(`${headers}\n${await begun.text()}`));
    for (const path of ['/v1/session', '/v1/sessions', '/v1/events', '/v1/nothing']) {
      const read = await fetch(stack.apiUrl + path, { headers: { cookie: pair } });
      replies.push(Buffer.from(`${JSON.stringify([...read.headers])}\n${await read.text()}`));
    }
    secrets.push(secret('a link', linkToken, 'meterline-link_'), secret('a session', value, 'meterline-session_'));
    await expectReply(401, 'POST', '/v1/session', { token: linkToken });
  }
  return secrets;
}

/** Channels whose other sides quote every secret that they know; and secrets where they do not belong. */
async function tellPeople(): Promise<void> {
  const ids: string[] = [];
  for (const [kind, target] of Object.entries(told.channels)) {
    const { id } = await expectReply(201, 'POST', '/v1/channels', { name: kind, kind, ...target });
    ids.push(id);
    const misplaced = { name: `Other ${kind}`, kind: 'email', ...target };
    if (kind !== 'email') await expectReply(409, 'POST', '/v1/channels', misplaced);
    const { code } = await ask('POST', `/v1/channels/${id}/test`, {});
    expect([200, 202]).toContain(code);
    if (kind === 'webhook') await expectReply(200, 'PATCH', `/v1/channels/${id}`, told.change);
  }
  await until('every other side to be asked', () => told.wereAsked(), PATIENCE_MS);
  for (const id of ids) await expectReply(200, 'GET', `/v1/channels/${id}`);
  for (const list of ['/v1/channels', '/v1/notices', '/v1/deliveries', '/v1/events'])
    await expectReply(200, 'GET', list);
  for (const id of ids.slice(0, 2)) await expectReply(204, 'DELETE', `/v1/channels/${id}`);
}

async function readEverything(id: string): Promise<void> {
  const lists = ['', '/coverage', '/events', '/restatements', '/syncs', '/workspaces'].map(
    (list) => `/v1/connections/${id}${list}`,
  );
  const others = [
    '/v1/connections',
    '/v1/connections?status=refused',
    '/v1/costs',
    '/v1/usage',
    '/v1/costs?format=csv',
    '/v1/costs/changes?compare=previous',
    '/v1/tokens',
    '/v1/events',
  ];
  for (const path of [...lists, ...others, '/healthz', '/readyz', '/openapi.json', '/docs/'])
    await expectReply(200, 'GET', path);
}

async function searchEverywhere(secrets: readonly Secret[]): Promise<Finding[]> {
  const search = new Search(secrets);
  const found = [
    ...search.in('replies', Buffer.concat(replies)),
    ...search.in(
      'terminal',
      stack
        .terminal()
        .replace(stack.kept(KEPT_IN.token), '(shown once)')
        .replace(/#\/enter\/\S+/, '(shown once)'),
    ),
    ...(await searchTemporal(search, stack.temporalAddress)),
    ...(await searchDatabase(search, stack.databaseUrl)),
  ];
  return [...found, ...searchFiles(search, stack.dataDir, Object.values(KEPT_IN))];
}

it('every port of the stack is on loopback', () => {
  const ports = portsOf(stack.pids());
  const known = [stack.apiUrl, stack.databaseUrl, `tcp://${stack.temporalAddress}`].map((url) =>
    Number(new URL(url).port),
  );
  expect(ports.map(({ port }) => port)).toEqual(expect.arrayContaining(known));
  expect(ports.filter(({ isLoopback }) => !isLoopback)).toEqual([]);
});

it('no key and no token leaves the places where it is stored, whatever happens', { timeout: 240_000 }, async () => {
  const sessions = await useSessions();
  await sendMistakes();
  await tellPeople();
  const id = await connect();
  const recovered = await crash();
  await fail(id);
  const tokens = await useTokens();
  await rotate(id);
  await recovered();
  await readEverything(id);
  await expectReply(200, 'DELETE', `/v1/connections/${id}?purge=true`);
  await readEverything(id);

  const [ringKey = ''] = stack.kept(KEPT_IN.ring).split(':').slice(1);
  const secrets = [
    ...Object.entries(keys).map(([name, key]) => adminKey(`the ${name} key`, key)),
    ...tokens,
    ...sessions,
    ...told.secrets,
    secret('a guessed token', guessed, 'meterline_'),
    secret('the first token', stack.kept(KEPT_IN.token)),
    secret('the password of Postgres', stack.kept(KEPT_IN.password)),
    secret('the encryption key', Buffer.from(ringKey, 'base64')),
  ];
  const seen = commandLines();
  for (const program of [
    'local/start.js',
    'api/main.js',
    'worker/main.js',
    'commands/tokens.js',
    'start-dev',
    'postgres',
  ])
    expect(seen).toContain(program);
  expect([...new Search(secrets).in('command lines', seen), ...(await searchEverywhere(secrets))]).toEqual([]);
});

/** Puts texts where they must not be. What is planted in each place is a secret of its own, in each spelling. */
async function plant(): Promise<{ secrets: Secret[]; expected: [secret: string, place: RegExp][] }> {
  const secrets: Secret[] = [];
  const expected: [string, RegExp][] = [];
  const make = (where: string, spelling: (typeof SPELLING_NAMES)[number], places: readonly RegExp[]): Buffer => {
    // Short enough for a search attribute in every spelling, and with characters that spellings differ in.
    const text = `${randomBytes(21).toString('base64url')}"/+`;
    const name = `${where}, ${spelling}`;
    secrets.push(secret(name, text));
    expected.push(...places.map((place): [string, RegExp] => [name, place]));
    return spelled(spelling, text)[0] ?? Buffer.alloc(0);
  };
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => undefined });
  await sql`create table planted (text text, bytes bytea)`;
  await withTemporal(stack.temporalAddress, async ({ workflow }) => {
    for (const [index, spelling] of SPELLING_NAMES.entries()) {
      const isText = spelling !== 'UTF-16';
      replies.push(make('a reply', spelling, [/^replies$/]));
      appendFileSync(join(stack.dataDir, 'logs/worker.log'), make('a log', spelling, [/^file logs\/worker\.log$/]));
      const postgresFiles = [/^table public\.planted$/, /^file postgres\/base\//, /^file postgres\/pg_wal\//];
      const row = make('a row', spelling, postgresFiles);
      await sql`insert into planted ${sql(isText ? { text: row.toString() } : { bytes: row })}`;
      const temporalFile = /^file temporal\.db(-wal)?$/;
      const payload = (bytes: Buffer): unknown => (isText ? bytes.toString() : new Uint8Array(bytes));
      const attribute = isText
        ? [
            {
              key: searchAttributes.name,
              value: make('an attribute', spelling, [/^description/, temporalFile]).toString(),
            },
          ]
        : [];
      const handle = await workflow.start('planted', {
        workflowId: `planted-${index}`,
        taskQueue: 'nobody',
        memo: { planted: payload(make('a memo', spelling, [/^description/, temporalFile])) },
        typedSearchAttributes: attribute,
        args: [payload(make('an argument', spelling, [/^history/, temporalFile]))],
      });
      await handle.signal('planted', payload(make('a signal', spelling, [/^history/, temporalFile])));
    }
  });
  await sql.end({ timeout: 5 });
  return { secrets, expected };
}

it(
  'the search finds a secret that is planted in any of these places, in any spelling',
  { timeout: 60_000 },
  async () => {
    const { secrets, expected } = await plant();
    const found = await searchEverywhere(secrets);
    const missed = expected.filter(
      ([name, place]) => !found.some((each) => each.secret === name && place.test(each.place)),
    );
    expect(missed).toEqual([]);

    const argument = randomBytes(30).toString('base64url');
    const seen = watchCommandLines();
    const careless = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)', '--', argument]);
    const search = new Search([secret('an argument', argument)]);
    await until('the command line to be seen', () => search.in('command lines', seen()).length > 0).finally(() => {
      careless.kill();
    });
  },
);
