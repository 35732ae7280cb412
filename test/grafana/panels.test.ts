import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { expand, queriesOf, type Query } from '../../bench/grafana-queries.ts';
import { plus, plusMonths } from '../spend/days.ts';
import { textOf, unitsOf } from '../spend/decimal.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { MODEL } from './model.ts';
import { ORACLES, coverage, stretches, type Asked, type Cell } from './oracle.ts';
import { openReader, type Answer, type Reader } from './reader.ts';
import { FIRST, TODAY, storeYear, type Connection } from './year.ts';

/** Every query of the dashboard, as Grafana sends it, by a role that may read the public views alone. */

const QUERIES = queriesOf(MODEL);
const LONGEST_MS = 240_000;
const [TIMESTAMP, TEXT] = [1114, 25];
/** smallint, integer, bigint, numeric: what a panel can draw. */
const NUMBERS = [21, 23, 20, 1700];

function query(name: string): Query {
  const found = QUERIES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the dashboard has no query "${name}"`);
  return found;
}

function sent({ sql: text }: Query, { from, to, ...values }: Asked): string {
  const instants = { from: new Date(`${from}T15:00:00.120Z`), to: new Date(`${to}T22:30:00Z`) };
  return expand(MODEL, text, { ...instants, values });
}

/** Exact decimals in their shortest form, days without the time that they begin at. */
function cell(value: unknown): Cell {
  if (value === null) return null;
  const text = z.string().parse(value);
  if (/^\d{4}-\d\d-\d\d 00:00:00$/.test(text)) return text.slice(0, 10);
  if (/^-?\d+(\.\d+)?$/.test(text) && (text.split('.')[1] ?? '').length <= 40) return textOf(unitsOf(text));
  return text;
}

/** Expects the rows of the oracle, in any order. Its numbers are quotients, which are near. */
function expectRows(
  name: string,
  found: readonly (readonly unknown[])[],
  expected: readonly (readonly Cell[])[],
): void {
  const isNear = (place: number): boolean => expected.some((row) => typeof row[place] === 'number');
  const exact = (row: readonly Cell[]): readonly Cell[] => row.filter((_, place) => !isNear(place));
  const sorted = (rows: readonly (readonly Cell[])[]) =>
    rows.toSorted((a, b) => (JSON.stringify(exact(a)) < JSON.stringify(exact(b)) ? -1 : 1));
  const [own, others] = [sorted(found.map((row) => row.map(cell))), sorted(expected)];
  expect(own.map(exact), name).toEqual(others.map(exact));
  const quotients = (row: readonly Cell[]): Cell[] => row.filter((_, place) => isNear(place));
  for (const [index, values] of others.map(quotients).entries()) {
    for (const [place, value] of values.entries()) {
      const quotient = quotients(own[index] ?? [])[place] ?? null;
      if (value === null || value === 0) expect(quotient, name).toBe(value === null ? null : '0');
      else expect(Number(quotient) / Number(value), name).toBeCloseTo(1, 10);
    }
  }
}

/** The columns and the order that Grafana needs to draw this. */
function expectShape({ type, name, format }: Query, { columns, rows }: Answer): void {
  const names = columns.map((column) => column.name);
  const types = columns.map((column) => column.type);
  expect(new Set(names).size, name).toBe(names.length);
  const texts = rows.map((row) => row.map(String));
  const ofPlace = (place: number): string[] => texts.map((row) => row[place] ?? '');
  if (format === 'time_series') {
    expect([names.slice(0, 2), names.length]).toEqual([['time', 'metric'], 3]);
    expect([types[0], types[1], NUMBERS.includes(types[2] ?? 0)]).toEqual([TIMESTAMP, TEXT, true]);
    expect(ofPlace(0)).toEqual(ofPlace(0).toSorted());
    // A series has one value at a time.
    const points = texts.map(([time, metric]) => `${time ?? ''} ${metric ?? ''}`);
    expect(new Set(points).size, name).toBe(points.length);
  } else if (type === 'stat') {
    expect(rows.length).toBeLessThanOrEqual(1);
    for (const one of types) expect(NUMBERS).toContain(one);
  } else if (type === 'variable') {
    expect(names).toEqual(['__text', '__value']);
    for (const place of [0, 1]) expect(new Set(ofPlace(place)).size).toBe(rows.length);
  } else if (type === 'annotation') {
    expect([names, types]).toEqual([
      ['time', 'timeend', 'text'],
      [TIMESTAMP, TIMESTAMP, TEXT],
    ]);
    for (const [time = '', end = ''] of texts) expect(time < end).toBe(true);
    for (const [index, end] of ofPlace(1).entries()) expect(end < (ofPlace(0)[index + 1] ?? '9')).toBe(true);
  }
}

let database: TestDatabase;
let reader: Reader;
let year: Connection[];
let asked: Record<string, Asked>;
beforeAll(async () => {
  database = await testDatabase();
  year = await storeYear(database.db);
  await storeAllocation();
  await database.db.execute(sql`analyze`);
  reader = await openReader(database);
  const all = { connection: 'all', workspace: 'all', model: 'all' } as const;
  const id = (place: number): string => year[place]?.id ?? '';
  asked = {
    'a year of everything': { ...all, from: FIRST, to: TODAY },
    'one connection': { ...all, from: plus(TODAY, -80), to: plus(TODAY, -20), connection: [id(1)] },
    'an ended connection and another': { ...all, from: FIRST, to: plus(TODAY, -151), connection: [id(0), id(2)] },
    'workspaces and a model with a quote': {
      ...{ from: plus(TODAY, -200), to: plus(TODAY, -100), connection: 'all' },
      ...{ workspace: ['default', 'wrkspc_a3'], model: ["o'haiku", '-'] },
    },
    'the days of one name of a workspace': { ...all, from: plus(TODAY, -31), to: TODAY, connection: [id(3)] },
    'values that no line has': { ...all, from: FIRST, to: TODAY, workspace: [`x" ' \\ %`], model: ["';--"] },
    'a time before all history': { ...all, from: '2001-01-02', to: '2001-02-03' },
  };
}, LONGEST_MS);
afterAll(async () => {
  await reader.close();
  await database.close();
});

async function storeAllocation(): Promise<void> {
  const document = { rules: [{ name: 'red', where: { model: ['opus'] }, to: 'Red' }], pools: [] };
  await database.db.execute(sql`
    insert into allocation_versions (version, from_day, document, actor)
    values (1, '2000-01-01', ${JSON.stringify(document)}::jsonb, 'test')
  `);
}

const CASES = [
  'a year of everything',
  'one connection',
  'an ended connection and another',
  'workspaces and a model with a quote',
  'the days of one name of a workspace',
  'values that no line has',
  'a time before all history',
];
const STORED = ['Expected for the whole month', 'Budgets', 'Forecasts by connection'];

function chosenIn(name: string): Asked {
  const found = asked[name];
  if (found === undefined) throw new Error(`no choice "${name}"`);
  return found;
}

describe('whatever is chosen', () => {
  it.each(QUERIES)('the $type "$name" has the columns and the order that Grafana draws', async (one) => {
    for (const name of CASES) expectShape(one, await reader.ask(sent(one, chosenIn(name))));
  });

  it.each(Object.entries(ORACLES))('the panel "%s" shows what the ledger adds up to', async (title, oracle) => {
    for (const name of CASES) {
      const { rows } = await reader.ask(sent(query(title), chosenIn(name)));
      // When a day was corrected is not the oracle's.
      const own = title === 'Restated days' ? rows.map((row) => row.slice(0, -1)) : rows;
      expectRows(name, own, oracle(year, chosenIn(name)));
    }
  });

  it('the shading marks the provisional and the missing days of cost, stretch by stretch', async () => {
    for (const name of CASES) {
      const { rows: provisional } = await reader.ask(sent(query('Provisional days'), chosenIn(name)));
      expectRows(name, provisional, stretches(year, chosenIn(name), 'provisional', 'Provisional: may still change'));
      const { rows: missing } = await reader.ask(sent(query('Missing days'), chosenIn(name)));
      expectRows(name, missing, stretches(year, chosenIn(name), 'missing', 'Missing: not read yet'));
    }
  });
});

describe('the dashboard', () => {
  it('has an oracle, or a test of its own, for each panel', () => {
    const titles = QUERIES.filter(({ type }) => type !== 'variable' && type !== 'annotation').map((one) => one.name);
    expect(titles.sort()).toEqual([...Object.keys(ORACLES), ...STORED].sort());
  });

  it('has a year of tens of thousands of lines, with every state of a day, to show', () => {
    const lines = year.flatMap(({ cost }) => [...cost.values()].flatMap((read) => read.lines));
    expect(lines.length).toBeGreaterThan(25_000);
    const covers = coverage(year, chosenIn('a year of everything'));
    for (const state of ['missing', 'provisional', 'final']) expect(covers.map((one) => one.state)).toContain(state);
    expect(ORACLES['Restated days']?.(year, chosenIn('a year of everything')).length).toBeGreaterThan(5);
  });

  it('offers each connection, workspace and model once, and tells those of one name apart', async () => {
    const everything = chosenIn('a year of everything');
    const [connections, workspaces, models] = await Promise.all(
      ['connection', 'workspace', 'model'].map((name) => reader.ask(sent(query(name), everything))),
    );
    expect(connections?.rows.map(([, id]) => id).sort()).toEqual(year.map(({ id }) => id).sort());
    expect(connections?.rows.map(([text]) => text)).toContain(`Acme (${year[0]?.id ?? ''})`);
    expect(workspaces?.rows.map(([text]) => text)).toEqual(
      expect.arrayContaining([
        'Default workspace',
        'Twin (wrkspc_g1)',
        'Twin (wrkspc_g2)',
        'Team 1 (wrkspc_b1)',
        'Team 2',
      ]),
    );
    expect(models?.rows.map(([, id]) => id).sort()).toEqual(['-', 'new', "o'haiku", 'opus', 'sonnet']);
    const ofGamma = await reader.ask(sent(query('workspace'), chosenIn('the days of one name of a workspace')));
    expect(ofGamma.rows.map(([, id]) => id).sort()).toEqual(['default', 'wrkspc_g1', 'wrkspc_g2']);
  });

  it('reads public views only: the role may read nothing else', async () => {
    for (const table of [
      'cost_lines',
      'cost_rollup',
      'cost_cells',
      'connections',
      'keys',
      'forecasts',
      'counted_days',
    ]) {
      await expect(reader.ask(`select from ${table}`)).rejects.toThrow('permission denied');
    }
  });

  it('shows nothing at all, and no zero, of a database without a connection', async () => {
    const empty = await testDatabase();
    const other = await openReader(empty);
    try {
      for (const one of QUERIES) {
        const answer = await other.ask(sent(one, chosenIn('a year of everything')));
        expectShape(one, answer);
        expect(
          answer.rows.flat().filter((value) => value !== null),
          one.name,
        ).toEqual([]);
      }
    } finally {
      await other.close();
      await empty.close();
    }
  });
});

describe('budgets and forecasts', () => {
  const month = TODAY.slice(0, 7);
  const last = plus(plusMonths(`${month}-01`, 1), -1);

  async function forecast(owner: 'budget_id' | 'connection_id', id: string, mean: string | null): Promise<void> {
    const said =
      mean === null
        ? sql`null, 'too few days', null, null, null, null, null, null, null, null`
        : sql`'weekday', null, ${TODAY}::date, ${mean}::numeric, ${mean}::numeric - 1, ${mean}::numeric + 1, '[]'::jsonb,
            ${mean}::numeric, ${mean}::numeric - 1, ${mean}::numeric + 1`;
    await database.db.execute(sql`
      insert into forecasts (${sql.identifier(owner)}, from_day, to_day, made_on, spent, spent_through,
        method, reason, basis_day, mean, low, high, band, shown_mean, shown_low, shown_high)
      values (${id}, ${`${month}-01`}, ${last}, ${TODAY}, 80.5, ${TODAY}, ${said})
    `);
  }

  const expected = async (connection: Asked['connection'], workspace: Asked['workspace'] = 'all'): Promise<unknown> => {
    const choice = { ...chosenIn('a year of everything'), connection, workspace };
    const { rows } = await reader.ask(sent(query('Expected for the whole month'), choice));
    return rows.map((row) => row.map(cell));
  };

  it('the expected month adds up forecasts, and is empty while one is missing or workspaces are chosen', async () => {
    const [, acme = '', beta = '', gamma = ''] = year.map(({ id }) => id);
    await forecast('connection_id', acme, '100.25');
    await forecast('connection_id', beta, '10');
    expect(await expected('all')).toEqual([['110.25']]);
    await forecast('connection_id', gamma, null);
    expect(await expected('all')).toEqual([[null]]);
    expect(await expected([acme, beta])).toEqual([['110.25']]);
    expect(await expected([acme], ['default'])).toEqual([[null]]);
    const { rows } = await reader.ask(sent(query('Forecasts by connection'), chosenIn('a year of everything')));
    expect(rows.map((row) => row.map(cell))).toEqual([
      ['Acme', month, '100.25', '99.25', '101.25', TODAY, TODAY, 'weekday'],
      ['Beta', month, '10', '9', '11', TODAY, TODAY, 'weekday'],
      ['Gamma', month, null, null, null, null, TODAY, 'too few days'],
    ]);
  });

  it('a budget shows what is spent and expected of it, and nothing before it is judged', async () => {
    const [judged, unjudged] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
    for (const [id, isJudged] of [
      [judged, true],
      [unjudged, false],
    ] as const) {
      await database.db.execute(sql`
        insert into budgets (id, name, scope, recurs, amount, created_on, is_judged)
        values (${id}, ${isJudged ? 'Platform' : 'New'}, '{"filters": {}}'::jsonb, 'month', 100, ${TODAY}, ${isJudged})
      `);
    }
    await forecast('budget_id', judged, '120');
    const { rows } = await reader.ask(sent(query('Budgets'), chosenIn('a time before all history')));
    const period = [`${month}-01`, last, '100'];
    expect(rows.map((row) => row.map(cell))).toEqual([
      ['Platform', ...period, '80.5', '80.5', TODAY, '120', '119', '121', '120', null],
      ['New', ...period, null, null, null, null, null, null, null, null],
    ]);
  });
});
