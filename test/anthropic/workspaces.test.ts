import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AnthropicReader } from '../../anthropic/transport.ts';
import { listWorkspaces } from '../../anthropic/workspaces.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { connect } from '../db/support.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { REQUEST_ID, all, failureOf, given, upstream } from './support.ts';
import { rows } from '../support/rows.ts';

const one = { id: 'wrkspc_1', name: 'One', created_at: '2026-01-01T00:00:00Z', archived_at: null };

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('the list of workspaces', () => {
  it('has each one once, the archived too, over as many pages as it takes', async () => {
    const up = await upstream({ simulator: { workspaces: 1_003, linesPerDay: 1 } });
    const pages = await all(listWorkspaces(up.reader()));
    expect(pages.map((page) => page.length)).toEqual([1_000, 3]);
    const listed = pages.flat().map(({ id, name, archivedAt }) => ({ id, name, archived_at: archivedAt }));
    const { workspaces } = up.simulator.control.organization();
    expect(listed).toEqual(
      workspaces.flatMap(({ id, name, archived_at, default: isDefault }) =>
        isDefault ? [] : [{ id, name, archived_at }],
      ),
    );
    expect(listed.filter(({ archived_at }) => archived_at !== null)).toHaveLength(1);
    await up.close();
  });

  it('may be empty', async () => {
    const up = await upstream({ simulator: { workspaces: 0 } });
    expect(await all(listWorkspaces(up.reader()))).toEqual([[]]);
    await up.close();
  });

  it('keeps every reported field of a workspace, and drops invalid dates', async () => {
    const odd = { id: 'wrkspc_1', name: 'One', created_at: 'long ago', moon: { phase: 'full' } };
    expect(await all(listWorkspaces(given({ data: [odd], has_more: false, last_id: 'wrkspc_1' })))).toEqual([
      [{ id: 'wrkspc_1', name: 'One', createdAt: null, archivedAt: null, tags: new Map(), reported: odd }],
    ]);
  });

  it.each([
    ['says that there is more, and not where', [{ data: [one], has_more: true, last_id: null }]],
    [
      'leads in a circle',
      [
        { data: [one], has_more: true, last_id: 'a' },
        { data: [one], has_more: true, last_id: 'a' },
      ],
    ],
    ['does not say whether there is more', [{ data: [one] }]],
    ['is none', [{ data: null }]],
    ['is a text', ['no list']],
  ])('that %s is invalid', async (_what, replies) => {
    expect((await failureOf(all(listWorkspaces(given(...replies))))).code).toBe('upstream_invalid');
  });

  it('yields its pages before the invalid one', async () => {
    const listed: string[] = [];
    const read = async (): Promise<void> => {
      for await (const workspaces of listWorkspaces(given({ data: [one], has_more: 'perhaps' })))
        listed.push(...workspaces.map(({ id }) => id));
    };
    expect((await failureOf(read())).code).toBe('upstream_invalid');
    expect(listed).toEqual([one.id]);
  });

  it('that does not end is given up after 200 pages', async () => {
    let pages = 0;
    const reader: AnthropicReader = {
      traffic: { requests: 0, bytes: 0 },
      get: (_path, _query, parse) => {
        pages += 1;
        return Promise.resolve(parse(Buffer.from(`{"data":[],"has_more":true,"last_id":"${pages}"}`)));
      },
    };
    expect((await failureOf(all(listWorkspaces(reader)))).code).toBe('upstream_invalid');
    expect(pages).toBe(200);
  });

  it.each([undefined, null, '', 7, true, [], {}, ['wrkspc_2'], 'x'.repeat(201)])(
    'skips an entry with the id %j, and keeps the others',
    async (id) => {
      const listed = await all(listWorkspaces(given({ data: [{ ...one, id }, one, null, 'x', []], has_more: false })));
      expect(listed.flat().map((workspace) => workspace.id)).toEqual([one.id]);
    },
  );

  it.each([
    '0000-01-01T00:00:00Z',
    '2026-01-01T00:00:00+23:59',
    '2026-01-01T00:00:00-23:59',
    '10000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '9999-12-31T23:00:00-05:00',
    '0001-01-01T00:00:00+10:00',
    '2026-02-30T00:00:00Z',
    '2026-01-01T23:59:60Z',
    `2026-01-01T00:00:00.${'1'.repeat(150)}Z`,
    '2026-01-01T00:00:00.123456Z',
    '2026-01-01T00:00Z',
    'infinity',
    'now',
    '',
    1_700_000_000,
    { at: 1 },
  ])('with the date %j is stored, and so are names and entries of any kind', async (date) => {
    const deep = `${'[{"a":'.repeat(20_000)}1${'}]'.repeat(20_000)}`;
    const entries = [
      { ...one, created_at: date, archived_at: date },
      { ...one, id: 'wrkspc_2', name: ['no', 'name'] },
      { ...one, id: 'wrkspc_2', name: null, created_at: '2026-01-01T02:00:00+02:00' },
      { ...one, id: 'wrkspc_3', name: 'N'.repeat(100_000), deep: null },
      { ...one, id: 'wrkspc_4', huge: 'x'.repeat(1_000_000), tags: { a: 1e300 } },
      { id: 'wrkspc_5', name: 'a"b\\,{}\n', created_at: {}, archived_at: [] },
    ];
    const { id } = await connect(database.db);
    const json = JSON.stringify({ data: entries, has_more: false }).replace('"deep":null', `"deep":${deep}`);
    for (let time = 0; time < 2; time += 1) {
      const reader: AnthropicReader = {
        traffic: { requests: 0, bytes: 0 },
        get: (_path, _query, parse) => Promise.resolve(parse(Buffer.from(json))),
      };
      for await (const workspaces of listWorkspaces(reader)) await saveWorkspaces(database.db, id, workspaces);
    }
    const stored = await rows<{ id: string; name: string; created: string | null }>(
      database.db,
      sql`
        select id, left(name, 20) as name, to_char(created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as created
        from workspaces where connection_id = ${id} order by id
      `,
    );
    expect(stored.map((workspace) => workspace.name)).toEqual(['One', 'wrkspc_2', 'N'.repeat(20), 'One', 'a"b\\,{}\n']);
    expect(stored[1]?.created).toBe('2026-01-01 00:00');
    if (date === '2026-01-01T00:00:00.123456Z') expect(stored[0]?.created).toBe('2026-01-01 00:00');
  });

  it('shows a workspace without a name by its id: names are not worth holding up money for', async () => {
    const listed = await all(listWorkspaces(given({ data: [{ id: 'x' }], has_more: false })));
    expect(listed.flat()).toMatchObject([{ id: 'x', name: 'x' }]);
  });

  it('names the request that failed', async () => {
    const up = await upstream();
    up.simulator.control.fault({ kind: 'wrong_shape' });
    expect(await failureOf(all(listWorkspaces(up.reader())))).toMatchObject({
      code: 'upstream_invalid',
      requestId: REQUEST_ID,
    });
    await up.close();
  });
});
