import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { makeReader, removeReader } from '../../db/readers/readers.ts';
import { toDay } from '../../domain/days.ts';
import { send } from '../allocation/months.ts';
import { seedConnection, startApi, type Api } from '../api/support.ts';
import { commitCost, commitUsage, cost, usage } from '../db/support.ts';
import { daysOf } from '../spend/days.ts';
import { blockOf, read } from '../support/documents.ts';
import { row } from '../support/rows.ts';

/** The questions of docs/exports.md, asked of seven weeks that are easy to add up: by the views, and by the API. */

const PAGE = 'docs/exports.md';
const ROLE = 'exports_reader';
const DAYS = { from: '2026-09-01', to: '2026-10-19' };
const TODAY = toDay('2026-10-19');

/** By day, Platform costs 9 dollars and the default workspace 6. A search costs ten cents, once. */
const EXPECTED: Readonly<Record<string, readonly (readonly (string | null)[])[]>> = {
  // 18 days: one is missing.
  'month by workspace': [
    ['Platform', '162'],
    ['Default workspace', '108.1'],
  ],
  'months by model': [
    ['2026-09', 'opus', '270'],
    ['2026-09', 'sonnet', '180'],
    ['2026-10', 'opus', '162'],
    ['2026-10', 'sonnet', '108'],
    ['2026-10', null, '0.1'],
  ],
  movers: [
    ['Platform', '171', '162', '-9'],
    ['Default workspace', '114', '108.1', '-5.9'],
  ],
  prices: [
    ['opus', 'output_tokens', '25'],
    ['opus', 'uncached_input_tokens', '5'],
    ['opus', 'cache_read_input_tokens', '0.5'],
    ['sonnet', 'uncached_input_tokens', '3'],
  ],
  cache: [
    ['Platform', '0.75'],
    ['Default workspace', '0'],
  ],
  days: [
    ['2026-10-07', 'Acme Inc.', 'missing'],
    ['2026-10-18', 'Acme Inc.', 'provisional'],
    ['2026-10-19', 'Acme Inc.', 'provisional'],
  ],
  corrections: [['2026-10-05', 'Acme Inc.', '18', '15', '-3']],
  budgets: [['Platform', '200', '162', '81', '260']],
  'month end': [['Acme', '420.5', '400', '450', '450']],
  'cost centers': [
    ['Red', '162'],
    [null, '108.1'],
  ],
};

let api: Api;
let reader: postgres.Sql;
beforeAll(async () => {
  api = await startApi({ now: () => Date.parse(`${TODAY}T12:00:00Z`) });
  const id = await seedConnection(api.db, { began: toDay(DAYS.from), backfillTo: TODAY });
  const platform = { id: 'w1', name: 'Platform', createdAt: null, archivedAt: null, tags: new Map(), reported: {} };
  await saveWorkspaces(api.db, id, [platform]);
  for (const day of daysOf(DAYS)) await storeDay(id, day);
  await api.db.execute(sql`
    update days set state = case when day >= '2026-10-18' then 'provisional' else 'final' end, reconciled = true
  `);
  await send(api, 'PUT', '/v1/allocation', {
    from: '2026-09',
    rules: [{ name: 'opus', where: { model: ['opus'] }, to: 'Red' }],
    pools: [],
  });
  await storeForecasts(id);
  const { password } = await makeReader(api.db, ROLE, true);
  const { port, database } = await row<{ port: number; database: string }>(
    api.db,
    sql`select current_setting('port')::int as port, current_database() as database`,
  );
  reader = postgres({ host: '127.0.0.1', port, database, user: ROLE, password: password ?? '', max: 1, types: TYPES });
});
afterAll(async () => {
  await reader.end({ timeout: 5 });
  await removeReader(api.db, ROLE);
  await api.close();
});

/** Dates stay as Postgres writes them. */
const TYPES = { asText: { to: 25, from: [1082], serialize: String, parse: String } };

async function storeDay(id: string, day: string): Promise<void> {
  const at = { day: toDay(day), today: TODAY };
  const platform = { workspace_id: 'w1', model: 'opus', cost_type: 'tokens' };
  const sonnet = { model: 'sonnet', token_type: 'uncached_input_tokens', cost_type: 'tokens' };
  const lines = [
    cost('5', { ...platform, token_type: 'uncached_input_tokens' }),
    cost('2.5', { ...platform, token_type: 'output_tokens' }),
    cost('1.5', { ...platform, token_type: 'cache_read_input_tokens' }),
    ...(day === '2026-10-01' ? [cost('0.1', { cost_type: 'web_search' })] : []),
    // Another currency is in no sum.
    ...(day === '2026-10-02' ? [cost('1000', { model: 'opus', currency: 'EUR' })] : []),
  ];
  if (day === '2026-10-05') {
    await commitCost(api.db, id, [...lines, cost('9', sonnet)], at);
    await api.db.execute(sql`update days set state = 'final', reconciled = true where day = ${day}`);
  }
  if (day !== '2026-10-07') await commitCost(api.db, id, [...lines, cost('6', sonnet)], at);
  const ofPlatform = { uncached_input_tokens: 1_000_000, output_tokens: 100_000, cache_read_input_tokens: 3_000_000 };
  const used = [
    usage(ofPlatform, { workspace_id: 'w1', model: 'opus' }),
    usage({ uncached_input_tokens: 2_000_000 }, { model: 'sonnet' }),
  ];
  await commitUsage(api.db, id, used, at);
}

async function storeForecasts(id: string): Promise<void> {
  const budget = '00000000-0000-4000-8000-000000000001';
  await api.db.execute(sql`
    insert into budgets (id, name, scope, recurs, from_day, to_day, amount, created_on, is_judged)
    values (${budget}, 'Platform', '{"filters": {"workspace": ["w1"]}}'::jsonb, 'fixed', '2026-10-01', '2026-10-31', 200,
      '2026-10-01', true)
  `);
  const forecast = (owner: string, of: string, spent: string, mean: string, low: string, high: string) => sql`
    insert into forecasts (${sql.identifier(owner)}, from_day, to_day, made_on, method, basis_day, spent, spent_through,
      mean, low, high, band, shown_mean, shown_low, shown_high)
    values (${of}, '2026-10-01', '2026-10-31', ${TODAY}, 'weekday', '2026-10-17', ${spent}::numeric, ${TODAY},
      ${mean}::numeric, ${low}::numeric, ${high}::numeric, '[]'::jsonb, ${mean}::numeric, ${low}::numeric, ${high}::numeric)
  `;
  await api.db.execute(forecast('budget_id', budget, '162', '260', '240', '280'));
  await api.db.execute(forecast('connection_id', id, '270.1', '420.5', '400', '450'));
}

/** Texts as they are, and decimals without zeros at their end. */
function shortest(value: unknown): string | null {
  if (value === null) return null;
  const text = z.string().parse(value);
  return /^-?\d+\.\d+$/.test(text) ? text.replace(/\.?0+$/, '') : text;
}

async function askSql(name: string): Promise<(string | null)[][]> {
  const found = await reader.unsafe(blockOf(PAGE, name)).values();
  return found.map((values) => values.map(shortest));
}

const named = z.object({ name: z.string() });

/** The fields of a reply that a statement has, too, in its order. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'month by workspace': ['workspace', 'amount'],
  'months by model': ['month', 'model', 'amount'],
  movers: ['workspace', 'before', 'after', 'change'],
  prices: ['model', 'token_type', 'usd_per_million'],
  days: ['day', 'state'],
  'cost centers': ['cost_center', 'amount'],
};

async function askApi(name: string): Promise<(string | null)[][]> {
  const [, path = ''] = /^GET (\S+)$/m.exec(blockOf(PAGE, `api ${name}`, 'text')) ?? [];
  const { status, body } = await api.get(path);
  expect(status).toBe(200);
  return body.data.map((one) =>
    (FIELDS[name] ?? []).map((field) => {
      const value = one[field];
      return typeof value === 'object' && value !== null ? named.parse(value).name : shortest(value);
    }),
  );
}

const sorted = (found: readonly (readonly (string | null)[])[]): string[] =>
  found.map((values) => JSON.stringify(values)).sort();

describe('the page on exports', () => {
  test('asks ten questions, and six of them of the API, too', () => {
    const marks = [...read(PAGE).matchAll(/<!-- test: (.+) -->/g)].map(([, mark = '']) => mark);
    expect(marks.filter((mark) => !mark.startsWith('api '))).toEqual(Object.keys(EXPECTED));
    expect(Object.keys(EXPECTED)).toHaveLength(10);
    expect(marks.filter((mark) => mark.startsWith('api '))).toEqual(Object.keys(FIELDS).map((name) => `api ${name}`));
  });

  test.each(Object.keys(EXPECTED))(
    'has a statement that answers "%s" for a role that reads views alone',
    async (name) => {
      expect(await askSql(name)).toEqual(EXPECTED[name]);
    },
  );

  test.each(Object.keys(FIELDS))('has a request that answers "%s" as the statement does', async (name) => {
    const found = await askApi(name);
    if (name !== 'days') expect(sorted(found)).toEqual(sorted(EXPECTED[name] ?? []));
    else {
      const open = found.filter(([, state]) => state !== 'final');
      expect(open).toEqual(EXPECTED[name]?.map(([day, , state]) => [day, state]));
    }
  });
});
