import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { NOW, storeLedger, type Ledger, type Value } from '../spend/ledger.ts';
import { compareKeys, fieldsOf, keyOf } from '../spend/oracle.ts';
import { cellsOf, exactJson, fileOf } from '../spend/replies.ts';
import { document, type Document } from './documents.ts';
import { allocate, monthQuery, textOf, type Part } from './oracle.ts';

let api: Api;
let ledger: Ledger;
let ids: string[];
beforeAll(async () => {
  api = await startApi({ now: () => NOW });
  ledger = await storeLedger(api.db);
  ids = ledger.map(({ id }) => id);
});
afterAll(() => api.close());

const MONTH = '2026-03';
const QUERY = monthQuery(MONTH, '2026-03-31');
const LONGEST_MS = 240_000;

type Row = Readonly<Record<string, unknown>>;

function sum(parts: readonly Part[]): bigint {
  return parts.reduce((all, { units }) => all + units, 0n);
}

function amountsOf(parts: readonly Part[]): Row {
  const [direct, shared] = [
    sum(parts.filter(({ isShared }) => !isShared)),
    sum(parts.filter(({ isShared }) => isShared)),
  ];
  return { direct: textOf(direct), shared: textOf(shared), adjustment: '0', amount: textOf(direct + shared) };
}

/** The rows that the API should give, in the order of their keys. */
function rowsOf(parts: readonly Part[], groupBy: readonly string[]): Row[] {
  const groups = groupBy.filter((group) => group !== 'cost_center');
  const query = { ...QUERY, groupBy: groups };
  const byKey = new Map<string, { key: Value[]; parts: Part[] }>();
  for (const part of parts) {
    if (part.placed.line.currency !== 'USD' && !groupBy.includes('currency')) continue;
    const own = keyOf(ledger, query, part.placed);
    const key = groupBy.map((group) => (group === 'cost_center' ? part.center : (own[groups.indexOf(group)] ?? null)));
    const text = JSON.stringify(key);
    const found = byKey.get(text) ?? { key, parts: [] };
    found.parts.push(part);
    byKey.set(text, found);
  }
  const sorted = [...byKey.values()].sort((a, b) => compareKeys(a.key, b.key));
  return sorted.map(({ key, parts: own }) => {
    const fields = fieldsOf(
      ledger,
      query,
      key.filter((_, place) => groupBy[place] !== 'cost_center'),
    );
    const named = groupBy.map((group, place): [string, unknown] => [
      group,
      group === 'cost_center' ? key[place] : fields[group],
    ]);
    return { ...Object.fromEntries(named), ...amountsOf(own) };
  });
}

async function store(given: Document): Promise<void> {
  const { status, text } = await api.send('PUT', '/v1/allocation', given);
  expect([status, status === 200 ? '' : text]).toEqual([200, '']);
}

const GROUPS = [
  'day',
  'connection',
  'workspace',
  'model',
  'token_type',
  'cost_type',
  'description',
  'currency',
  'tag.team',
  'tag.env',
  'service_tier',
];
const groups = fc
  .tuple(fc.subarray(['cost_center', ...GROUPS], { maxLength: 4 }), fc.boolean())
  .map(([chosen, withCenter]) =>
    withCenter || chosen.length === 0 ? [...new Set([...chosen, 'cost_center'])] : chosen,
  );

async function checkRows(groupBy: readonly string[], expected: readonly Row[]): Promise<void> {
  const path = `/v1/chargeback/${MONTH}?group_by=${encodeURIComponent(groupBy.join(','))}`;
  const limit = Math.max(1, Math.ceil(expected.length / 2));
  let after = '';
  const found: unknown[] = [];
  do {
    const { status, text } = await api.get(`${path}&limit=${limit}${after}`);
    expect([status, status === 200 ? '' : text]).toEqual([200, '']);
    const { data, next } = exactJson(text);
    found.push(...(data as unknown[]));
    after = typeof next === 'string' ? `&after=${next}` : '';
  } while (after !== '');
  expect(found).toEqual(expected);
  const { header, cells } = fileOf((await api.get(`${path}&format=csv`)).text);
  const cellsOfRows = expected.map((row) => cellsOf(row).map(({ text }) => text));
  expect(cells).toEqual(cellsOfRows);
  const [first] = expected;
  if (first !== undefined) expect(header).toEqual(cellsOf(first).map(({ name }) => name));
}

describe('whatever the rules say', () => {
  it(
    'the API allocates as a sum over the lines does, to the last digit, and the sum is the bill',
    async () => {
      let shared = 0;
      await fc.assert(
        fc.asyncProperty(document(MONTH, ids.slice(0, 6)), groups, async (given, groupBy) => {
          await store(given);
          const parts = allocate(ledger, given, QUERY);
          if (parts.some(({ isShared }) => isShared)) shared += 1;
          await checkRows(groupBy, rowsOf(parts, groupBy));
          const inUsd = parts.filter(({ placed }) => placed.line.currency === 'USD');
          const { body } = await api.get(`/v1/chargeback/${MONTH}`);
          const { total } = (await api.get('/v1/costs?from=2026-03-01&to=2026-03-31')).body;
          expect(body).toMatchObject({
            total,
            total_adjustment: '0',
            unallocated: { amount: textOf(sum(inUsd.filter(({ center }) => center === null))) },
          });
          expect(textOf(sum(inUsd))).toBe(total);
        }),
        { numRuns: 150, seed: 19 },
      );
      expect(shared).toBeGreaterThan(50);
    },
    LONGEST_MS,
  );

  it(
    'a preview says what the month says once the document is in force',
    async () => {
      await fc.assert(
        fc.asyncProperty(document(MONTH, ids.slice(0, 6)), async (given) => {
          const preview = await api.send('POST', '/v1/allocation/preview', { ...given, month: MONTH });
          expect(preview.status).toBe(200);
          await store(given);
          const { body } = await api.get(`/v1/chargeback/${MONTH}`);
          const after = new Map(preview.body.data.map((row) => [row['cost_center'], row['after']]));
          const amounts = new Map(body.data.map((row) => [row['cost_center'], row.amount]));
          for (const [center, amount] of amounts) expect([center, after.get(center)]).toEqual([center, amount]);
          for (const [center, amount] of after) expect([center, amounts.get(center) ?? '0']).toEqual([center, amount]);
        }),
        { numRuns: 30, seed: 7 },
      );
    },
    LONGEST_MS,
  );

  it(
    'the lines of the month say why, and add up to its rows',
    async () => {
      await fc.assert(
        fc.asyncProperty(document(MONTH, ids.slice(0, 6)), async (given) => {
          await store(given);
          const parts = allocate(ledger, given, QUERY);
          const { cells, header } = fileOf((await api.get(`/v1/chargeback/${MONTH}/lines?format=csv`)).text);
          const column = (name: string): number => header.indexOf(name);
          const told = cells.map((cell) =>
            [cell[column('cost_center')], cell[column('day')], cell[column('amount')]].join(' '),
          );
          const expected = parts.map(({ center, placed, units }) =>
            [center ?? '', placed.day, textOf(units)].join(' '),
          );
          const unquoted = told.map((text) => text.replace(/^'=/, '='));
          expect(unquoted.sort()).toEqual(expected.sort());
        }),
        { numRuns: 20, seed: 3 },
      );
    },
    LONGEST_MS,
  );
});
