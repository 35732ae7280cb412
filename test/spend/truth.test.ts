import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { changesOf } from './changes.ts';
import { expectFile, expectPages, type Ask, type Expected } from './checks.ts';
import { earlier } from './days.ts';
import { sumOf, textOf, unitsOf } from './decimal.ts';
import { NOW, storeLedger, type Ledger } from './ledger.ts';
import { costsOf, countsOf, usagesOf } from './oracle.ts';
import { addressOf, isComparable, query, type Query } from './query.ts';

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

const asker =
  (asked: Query): Ask =>
  (more) =>
    api.get(addressOf(asked, ids, more));

async function checkPages(asked: Query, answer: Expected): Promise<void> {
  await expectPages(asker(asked), asked, answer);
}

async function checkFile(asked: Query, answer: Expected): Promise<void> {
  const headers = await expectFile(asker(asked), answer);
  if (asked.report !== 'costs') return;
  expect(headers.get('meterline-total')).toBe(answer.always['total']);
  expect(headers.get('meterline-total-previous')).toBe(answer.always['total_previous'] ?? null);
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
