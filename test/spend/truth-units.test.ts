import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { sumOf, unitsOf } from './decimal.ts';
import { NOW, storeLedger, type Ledger } from './ledger.ts';
import { addressOf, unitQuery, type Query } from './query.ts';
import { exactJson } from './replies.ts';
import { unitCostsOf } from './unit-costs.ts';

let api: Api;
let ledger: Ledger;
let ids: string[];
beforeAll(async () => {
  api = await startApi({ now: () => NOW });
  ledger = await storeLedger(api.db);
  ids = ledger.map(({ id }) => id);
});
afterAll(() => api.close());

/** It takes a tenth of this, unless the machine has much else to do. */
const LONGEST_MS = 120_000;

const NAMES = ['amount', 'tokens', 'usd_per_million', 'unmatched_amount', 'unpriced_tokens'] as const;

interface UsageTotals extends Readonly<Record<string, unknown>> {
  readonly other_counts: Readonly<Record<string, string>>;
}

function tokensOf({ other_counts: others, ...counts }: UsageTotals): bigint {
  const known = Object.entries(counts).filter(([name]) => name !== 'web_search_requests');
  const tokens = Object.entries(others).filter(([path]) => path.endsWith('tokens'));
  return sumOf([...known, ...tokens].map(([, count]) => BigInt(String(count))));
}

describe('whatever unit costs are asked of the ledger', () => {
  it(
    'the API joins costs and tokens as a look at each line does, and has the amounts of /v1/costs and the tokens of /v1/usage',
    async () => {
      await fc.assert(
        fc.asyncProperty(unitQuery, async (asked) => {
          const address = addressOf(asked, ids);
          const { status, text } = await api.get(address.replace('/v1/costs?', '/v1/unit-costs?'));
          expect([status, status === 200 ? '' : text]).toEqual([200, '']);
          const rows = exactJson(text)['data'] as Record<string, unknown>[];
          // A row that has neither costs nor tokens says nothing.
          const said = rows.filter((row) => row['amount'] !== '0' || row['tokens'] !== '0');
          const expected = unitCostsOf(ledger, asked).filter(({ amount, tokens }) => amount !== '0' || tokens !== '0');
          expect(said.map((row) => NAMES.map((name) => row[name]))).toEqual(
            expected.map((row) => NAMES.map((name) => row[name])),
          );
          // Only here, a geography that is not available is as good as none.
          if (asked.filters.some(({ dimension }) => dimension === 'inference_geo')) return;
          const costs = exactJson((await api.get(address)).text);
          expect(sumOf(rows.map((row) => unitsOf(String(row['amount']))))).toBe(unitsOf(String(costs['total'])));
          // Usage has no token types to filter by.
          if (asked.filters.some(({ dimension }) => dimension === 'token_type')) return;
          const usage: Query = { ...asked, report: 'usage', groupBy: ['model'] };
          const { totals } = exactJson((await api.get(addressOf(usage, ids))).text);
          expect(sumOf(rows.map((row) => BigInt(String(row['tokens']))))).toBe(tokensOf(totals as UsageTotals));
        }),
        { numRuns: 150, seed: 3 },
      );
    },
    LONGEST_MS,
  );
});
