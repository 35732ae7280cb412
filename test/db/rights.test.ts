import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createApp } from '../../api/app.ts';
import { forecastingHere } from '../../forecasting/forecasting.ts';
import { closeServer, createHttpServer, listen } from '../../api/http/server.ts';
import { loadTemporalSettings } from '../../config/temporal.ts';
import { openTemporal, type OpenedTemporal } from '../../api/temporal.ts';
import { openDatabase } from '../../db/core/database.ts';
import { createKeyRing } from '../../db/keys/key-ring.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { endFrozenSessions } from '../../db/core/sessions.ts';
import { checkStoredKeys, rewrapStoredKeys } from '../../db/keys/stored-keys.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import { PUBLIC_VIEWS } from '../../domain/readers.ts';
import { keepConnections } from '../../worker/keeper.ts';
import { ADMIN_TOKEN, type Body } from '../api/support.ts';
import { databaseUrl, onServer } from '../support/databases.ts';
import { blockOf } from '../support/documents.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

const PAGE = 'docs/own-servers.md';

// Roles belong to the server, which other tests use meanwhile.
const suffix = randomBytes(6).toString('hex');
const name = `rights_${suffix}`;
const own = (role: string): string => `meterline_${role}_${suffix}`;
const documented = (block: string): string =>
  blockOf(PAGE, block)
    .replaceAll('on database meterline', `on database ${name}`)
    .replaceAll('meterline_service', own('service'))
    .replaceAll('meterline_reader', own('reader'));

const urlAs = (role: string, password: string): string => {
  const url = new URL(databaseUrl(inject('postgresUrl'), name));
  url.username = own(role);
  url.password = password;
  return url.href;
};
const owner = urlAs('owner', 'owners');
const service = urlAs('service', 'change-me');
const reader = urlAs('reader', 'change-me-too');

let world: World;
let temporal: OpenedTemporal;
let server: ReturnType<typeof createHttpServer>;
let api: string;

beforeAll(async () => {
  const maintenance = inject('postgresUrl');
  await onServer(maintenance, `create role ${own('owner')} login nosuperuser password 'owners'`);
  await onServer(maintenance, documented('roles'));
  await onServer(maintenance, `create database ${name} owner ${own('owner')}`);
  await run(owner, documented('rights'));
  await migrateDatabase(owner);
  await run(owner, documented('rights after the first migration'));

  const database = { ...openDatabase(service, { max: 10, name: 'meterline test' }), url: service };
  world = await createWorld({ timeSkipping: false, database });
  temporal = openTemporal({
    temporal: loadTemporalSettings({ TEMPORAL_ADDRESS: inject('temporalAddress') }),
    taskQueue: world.taskQueue,
  });
  const app = createApp({
    db: world.database.db,
    ring: world.ring,
    temporal,

    forecasting: forecastingHere(),
    log: pino({ level: 'silent' }),
    config: { apiToken: ADMIN_TOKEN, syncHourUtc: 6, temporalNamespace: temporal.namespace, temporalUiUrl: null },
    waitMs: 20_000,
  });
  server = createHttpServer(app);
  api = await listen(server, '127.0.0.1', 0);
});

afterAll(async () => {
  await closeServer(server);
  await temporal.close();
  await world.close();
  const maintenance = inject('postgresUrl');
  await onServer(maintenance, `drop database ${name} with (force)`);
  for (const role of ['service', 'reader', 'owner']) await onServer(maintenance, `drop role ${own(role)}`);
});

async function run(url: string, statements: string): Promise<postgres.Row[]> {
  const client = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await client.unsafe(statements);
  } finally {
    await client.end({ timeout: 5 });
  }
}

async function call(method: string, path: string, body?: object): Promise<{ status: number; body: Body }> {
  const response = await fetch(api + path, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Body };
}

describe('the service role', () => {
  it('is enough for the work of the API, the worker and the commands, from connecting to purging', async () => {
    const { db } = world.database;
    const made = await call('POST', '/v1/connections', { name: 'Sample', admin_api_key: world.key, backfill_days: 3 });
    expect(made.status).toBe(201);
    const path = `/v1/connections/${made.body.id}`;
    await until('it is active', async () => (await call('GET', path)).body.status === 'active', 60_000);
    const wrong = 'sk-ant-admin01-nobody-knows-this-key-0000';
    expect((await call('POST', `${path}/rotate-key`, { admin_api_key: wrong })).status).toBe(422);
    expect((await call('POST', `${path}/rotate-key`, { admin_api_key: world.key })).status).toBe(200);
    expect((await call('POST', `${path}/keys`, { admin_api_key: world.key })).status).toBe(201);
    expect((await call('PATCH', path, { name: 'Renamed' })).status).toBe(200);

    // A day that was read complete and changes: lines are replaced, and a restatement is kept.
    const day = addDays(dayOf(Date.now()), -2);
    world.simulator.control.restate({ day, kind: 'scale', factor: '2' });
    expect((await call('POST', `${path}/sync`, { from: day, to: day })).status).toBe(202);
    await until(
      'the restatement',
      async () => (await call('GET', `${path}/restatements`)).body.data.length > 0,
      60_000,
    );

    for (const list of ['syncs', 'workspaces', 'events', 'coverage']) {
      expect([list, (await call('GET', `${path}/${list}`)).body.data.length > 0]).toEqual([list, true]);
    }
    for (const report of ['costs', 'usage']) expect((await call('GET', `/v1/${report}`)).status).toBe(200);
    expect(await run(service, 'select from costs limit 1')).toHaveLength(1);

    const next = createKeyRing([{ id: 'next', key: randomBytes(32) }]);
    expect((await checkStoredKeys(db, next)).unreadable.length).toBeGreaterThan(0);
    expect((await rewrapStoredKeys(db, world.ring)).left).toEqual([]);

    const token = await call('POST', '/v1/tokens', { name: 'ci', role: 'viewer' });
    expect(token.status).toBe(201);
    expect((await call('GET', '/v1/tokens')).body.data).toHaveLength(1);
    expect((await call('DELETE', `/v1/tokens/${token.body.id}`)).status).toBe(200);
    expect((await call('GET', '/v1/events')).body.data).toHaveLength(2);

    const keeper = { db, client: world.client, taskQueue: world.taskQueue };
    expect(await keepConnections(keeper)).toBe(1);
    expect(await endFrozenSessions(db)).toBe(0);
    expect((await call('POST', `${path}/pause`)).status).toBe(200);
    expect((await call('POST', `${path}/resume`)).status).toBe(200);
    expect((await call('DELETE', `${path}?purge=true`)).status).toBe(200);
    expect(await run(service, 'select from cost_lines')).toEqual([]);
  });

  it('can only add events, deletes no connection, key or token, and can write every other table', async () => {
    const rights = await run(
      service,
      `select table_name, string_agg(privilege, ' ' order by privilege) as rights
       from information_schema.tables, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) privilege
       where table_schema = 'public' and table_type = 'BASE TABLE'
         and has_table_privilege(current_user, quote_ident(table_name), privilege)
       group by 1`,
    );
    const known = Object.fromEntries(rights.map((row) => [String(row['table_name']), String(row['rights'])]));
    const { events, deployment_events: deploymentEvents, connections, keys, tokens, ...others } = known;
    expect([events, deploymentEvents]).toEqual(['insert select', 'insert select']);
    expect([connections, keys, tokens]).toEqual(Array.from({ length: 3 }, () => 'insert select update'));
    expect(Object.keys(others).length).toBeGreaterThanOrEqual(8);
    expect(new Set(Object.values(others))).toEqual(new Set(['delete insert select update']));
  });

  it.each([
    'create table more (id int)',
    'create temporary table more (id int)',
    'create schema more',
    'create view more as select 1',
    'create sequence more',
    `create function more() returns int language sql as 'select 1'`,
    'create index more on days (day)',
    'create extension pgcrypto',
    'create role more',
    'alter table days add column more int',
    'alter table days drop constraint days_empty',
    'alter table days disable trigger all',
    'alter table days owner to current_user',
    'drop table cost_lines',
    'drop view costs',
    'truncate cost_lines',
    `comment on table days is ''`,
    'delete from events',
    `update events set message = ''`,
    'delete from deployment_events',
    `update deployment_events set message = ''`,
    'delete from tokens',
    'delete from connections',
    'select * from drizzle.__drizzle_migrations',
    'delete from drizzle.__drizzle_migrations',
    'select * from pg_authid',
    `copy days to program 'true'`,
    `select pg_read_file('/etc/passwd')`,
  ])('may not: %s', async (statement) => {
    await expect(run(service, statement)).rejects.toMatchObject({ code: '42501' });
  });

  it('needs no new grant for the tables of a later migration', async () => {
    await run(owner, 'create table later (id bigserial primary key, text text)');
    await run(service, `insert into later (text) values ('a'); update later set text = 'b'; delete from later`);
    await expect(run(service, 'drop table later')).rejects.toMatchObject({ code: '42501' });
    await run(owner, 'drop table later');
  });
});

describe('the role of readers', () => {
  it('reads the views, through all migrations since, and nothing else', async () => {
    for (const view of PUBLIC_VIEWS) await run(reader, `select * from ${view}`);
    for (const table of ['keys', 'connections', 'tokens', 'events', 'deployment_events', 'cost_lines', 'days']) {
      await expect(run(reader, `select * from ${table}`)).rejects.toMatchObject({ code: '42501' });
    }
    await expect(run(reader, 'create temporary table more (id int)')).rejects.toMatchObject({ code: '42501' });
  });
});
