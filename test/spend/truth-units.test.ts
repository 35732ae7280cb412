import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { expectAnswer, expectFile, expectPages, type Ask, type Expected } from './checks.ts';
import { sumOf, unitsOf } from './decimal.ts';
import { NOW, type Ledger } from './ledger.ts';
import { countsOf } from './oracle.ts';
import { addressOf, unitQuery, type Query } from './query.ts';
import { exactJson } from './replies.ts';
import { unitCostsOf } from './unit-costs.ts';
import { storeUnitLedger } from './unit-ledger.ts';

let api: Api;
let ledger: Ledger;
let ids: string[];
beforeAll(async () => {
  api = await startApi({ now: () => NOW });
  ledger = await storeUnitLedger(api.db);
  ids = ledger.map(({ id }) => id);
});
afterAll(() => api.close());

/** It takes a tenth of this, unless the machine has much else to do. */
const LONGEST_MS = 240_000;

type Row = Readonly<Record<string, unknown>>;

function expected(asked: Query): Expected {
  const { rows, totals } = unitCostsOf(ledger, asked);
  const { from, to, groupBy } = asked;
  const always = { from, to, group_by: groupBy, ...totals, ...countsOf(ledger, asked, ['cost', 'usage'], asked) };
  return { rows: rows.map(({ row }) => row), always };
}

const asker =
  (asked: Query): Ask =>
  (more) =>
    api.get(addressOf(asked, ids, more).replace('/v1/costs?', '/v1/unit-costs?'));

async function checkPages(asked: Query, answer: Expected): Promise<void> {
  await expectPages(asker(asked), asked, answer);
}

async function checkFile(asked: Query, answer: Expected): Promise<void> {
  const headers = await expectFile(asker(asked), answer);
  const said = (name: string): unknown => JSON.parse(headers.get(`meterline-${name}`) ?? '[]');
  expect(said('total')).toEqual(answer.always['total']);
  expect(said('other-currencies')).toEqual(answer.always['other_currencies']);
}

interface UsageTotals extends Row {
  readonly other_counts: Readonly<Record<string, string>>;
}

function tokensOf({ other_counts: others, ...counts }: UsageTotals): bigint {
  const known = Object.entries(counts).filter(([name]) => name !== 'web_search_requests');
  const tokens = Object.entries(others).filter(([path]) => path.endsWith('tokens'));
  return sumOf([...known, ...tokens].map(([, count]) => BigInt(String(count))));
}

/** Compares with what the other reports say, where they can be asked the same. */
async function checkSums(asked: Query): Promise<void> {
  const has = (dimension: string): boolean => asked.filters.some((filter) => filter.dimension === dimension);
  // Only in unit costs, a geography that is not available is as good as none.
  if (has('inference_geo')) return;
  const all = { ...asked, limit: 10_000 };
  const rows = exactJson(expectAnswer(await asker(all)({})).text)['data'] as Row[];
  const costs = exactJson((await api.get(addressOf(all, ids))).text);
  const inUsd = rows.filter((row) => !asked.groupBy.includes('currency') || row['currency'] === 'USD');
  expect(sumOf(inUsd.map((row) => unitsOf(String(row['amount']))))).toBe(unitsOf(String(costs['total'])));
  // Usage has no token types and no currencies to filter by.
  if (has('token_type') || has('currency')) return;
  const usage: Query = { ...all, report: 'usage', order: 'key', groupBy: ['model'] };
  const { totals } = exactJson((await api.get(addressOf(usage, ids))).text);
  expect(sumOf(rows.map((row) => BigInt(String(row['tokens']))))).toBe(tokensOf(totals as UsageTotals));
}

const PLAIN: Query = {
  ...{ report: 'costs', from: '2026-03-29', to: '2026-03-29', order: 'key', compare: null, limit: 10_000 },
  ...{ filters: [{ dimension: 'model', excludes: false, values: ['plain'] }], groupBy: ['service_tier'] },
};
/** The prices and the cache hit rate of these end in an exact half. */
const TIES: [Query, number][] = [
  [PLAIN, 0],
  [PLAIN, 1],
  [{ ...PLAIN, groupBy: ['service_tier', 'token_type'] }, 1],
];

describe('whatever unit costs are asked of the ledger', () => {
  it(
    'the API answers as a look at each line does, to the last digit, in pages and as CSV, and adds up to /v1/costs and /v1/usage',
    async () => {
      const seen = { pages: 0, cache_savings: 0, batch_savings: 0, nulls: 0, others: 0 };
      const reasons = new Set<unknown>();
      await fc.assert(
        fc.asyncProperty(unitQuery, fc.nat(4), async (asked, turn) => {
          const answer = expected(asked);
          await (turn === 0 ? checkFile : checkPages)(asked, answer);
          if (turn === 4) await checkSums(asked);
          if (answer.rows.length > asked.limit) seen.pages += 1;
          for (const name of ['cache_savings', 'batch_savings'] as const) {
            if (answer.rows.some((row) => typeof row[name] === 'string' && row[name] !== '0')) seen[name] += 1;
            if (answer.rows.some((row) => row[name] === null)) seen.nulls += 1;
            for (const row of answer.rows) reasons.add(row[`${name}_reason`]);
          }
          for (const row of answer.rows) reasons.add(row['cache_hit_rate_reason']);
          if (answer.rows.some((row) => row['reason'] === 'other_currency')) seen.others += 1;
        }),
        { numRuns: 180, seed: 3, examples: TIES, endOnFailure: true },
      );
      // Answers without these prove little.
      expect(seen.pages).toBeGreaterThan(30);
      expect(seen.cache_savings).toBeGreaterThan(20);
      expect(seen.batch_savings).toBeGreaterThan(20);
      expect(seen.nulls).toBeGreaterThan(60);
      expect(seen.others).toBeGreaterThan(5);
      const all = ['no_input_tokens', 'no_price', null, 'other_currency', undefined];
      expect([...reasons].sort()).toEqual(all);
    },
    LONGEST_MS,
  );
});
