import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { changesOf } from './changes.ts';
import { earlier } from './days.ts';
import { sumOf, textOf, unitsOf } from './decimal.ts';
import { NOW, storeLedger, type Ledger } from './ledger.ts';
import { costsOf, countsOf, usagesOf } from './oracle.ts';
import { addressOf, isComparable, query, type Query } from './query.ts';
import { cellsOf, exactJson, fileOf } from './replies.ts';

let api: Api;
let ledger: Ledger;
let ids: string[];
beforeAll(async () => {
  api = await startApi({ now: () => NOW });
  ledger = await storeLedger(api.db);
  ids = ledger.map(({ id }) => id);
});
afterAll(() => api.close());

const REPORTS = { costs: ['cost'], usage: ['usage'], changes: ['cost', 'usage'] } as const;
const ANSWERS = { costs: costsOf, usage: usagesOf, changes: changesOf };

/** It takes a tenth of this, unless the machine has much else to do. */
const LONGEST_MS = 240_000;

/** Pages after these are not asked for. */
const MOST_PAGES = 4;

interface Expected {
  readonly rows: readonly Record<string, unknown>[];
  /** What every page says. */
  readonly always: Record<string, unknown>;
}

function expected(asked: Query): Expected {
  const { rows: keyed, totals } = ANSWERS[asked.report](ledger, asked);
  const rows = keyed.map(({ row }) => row);
  const { from, to, groupBy, compare } = asked;
  const reports = REPORTS[asked.report];
  const compared = compare === null ? null : earlier(asked, compare).range;
  const always = {
    ...{ from, to, group_by: groupBy, ...totals, ...countsOf(ledger, asked, reports, asked) },
    ...(compared === null
      ? {}
      : { compare: { with: compare, ...compared, ...countsOf(ledger, asked, reports, compared) } }),
    ...(asked.order === 'key' ? {} : { other: otherOf(asked, rows) }),
  };
  return { rows, always };
}

const AMOUNTS = {
  costs: (compares: boolean) => ['amount', ...(compares ? ['previous', 'change'] : [])],
  usage: () => [],
  changes: () => ['before', 'after', 'change', 'volume', 'mix', 'price', 'unmatched'],
};

/** What the rows beyond the limit come to. Amounts are in US dollars. */
function otherOf({ report, compare, limit, groupBy }: Query, rows: readonly Record<string, unknown>[]): unknown {
  const left = rows.slice(limit);
  const inUsd = left.filter((row) => !groupBy.includes('currency') || row['currency'] === 'USD');
  const sum = (name: string): string => textOf(sumOf(inUsd.map((row) => unitsOf(String(row[name])))));
  const sums = AMOUNTS[report](compare !== null).map((name) => [name, sum(name)]);
  return { rows: String(left.length), ...Object.fromEntries(sums) };
}

/** Asks for the first pages, and compares each with its part of all rows. */
async function checkPages(asked: Query, { rows, always }: Expected): Promise<void> {
  let after = {};
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { status, text } = await api.get(addressOf(asked, ids, after));
    expect([status, status === 200 ? '' : text]).toEqual([200, '']);
    const { data, next, as_of: asOf, ...said } = exactJson(text);
    const end = (page + 1) * asked.limit;
    expect(data).toEqual(rows.slice(page * asked.limit, end));
    expect(said).toEqual(always);
    expect(asOf === null || typeof asOf === 'string').toBe(true);
    const isLast = asked.order === '-amount' || end >= rows.length;
    expect(next === null).toBe(isLast);
    if (isLast) return;
    after = { after: String(next) };
  }
}

/** Asks for all rows as CSV. */
async function checkFile(asked: Query, { rows, always }: Expected): Promise<void> {
  const answer = await api.get(addressOf(asked, ids, { format: 'csv' }));
  expect([answer.status, answer.status === 200 ? '' : answer.text]).toEqual([200, '']);
  const { header, cells } = fileOf(answer.text);
  expect(cells).toEqual(rows.map((row) => cellsOf(row).map(({ text }) => text)));
  const [first] = rows;
  if (first !== undefined) expect(header).toEqual(cellsOf(first).map(({ name }) => name));
  if (asked.report === 'costs') {
    expect(answer.headers.get('meterline-total')).toBe(always['total']);
    expect(answer.headers.get('meterline-total-previous')).toBe(always['total_previous'] ?? null);
  }
  for (const name of ['Provisional', 'Missing', 'Uncovered']) {
    expect(answer.headers.get(`meterline-${name}-days`)).toBe(always[`${name.toLowerCase()}_days`]);
  }
}

describe('whatever is asked of the ledger', () => {
  it(
    'the API answers as a sum over the lines does, to the last digit, in pages and as CSV',
    async () => {
      const asked = { answered: 0, withRows: 0, withPages: 0 };
      await fc.assert(
        fc.asyncProperty(query, fc.nat(3), async (drawn, turn) => {
          if (!isComparable(drawn)) {
            const { status, body } = await api.get(addressOf(drawn, ids));
            expect([status, body.code]).toEqual([400, 'invalid_request']);
            return;
          }
          const answer = expected(drawn);
          await (turn > 0 ? checkPages : checkFile)(drawn, answer);
          asked.answered += 1;
          if (answer.rows.length > 0) asked.withRows += 1;
          if (answer.rows.length > drawn.limit) asked.withPages += 1;
        }),
        { numRuns: 600, seed: 31 },
      );
      // Answers without rows prove little.
      expect(asked.answered).toBeGreaterThan(500);
      expect(asked.withRows).toBeGreaterThan(350);
      expect(asked.withPages).toBeGreaterThan(75);
    },
    LONGEST_MS,
  );
});
