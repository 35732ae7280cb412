import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toDay } from '../../domain/days.ts';
import { isGrain, COST_DIMENSIONS, type Dimension, type Group, type SpendQuery } from '../../domain/spend/query.ts';
import { compileCosts } from '../../db/spend/costs.ts';
import { compileUsage } from '../../db/spend/usage.ts';
import { readPage, readRows, readTotals, type Compiled } from '../../db/spend/rows.ts';
import { inSnapshot } from '../../db/core/cursor.ts';
import type { GroupRow } from '../../db/spend/groups.ts';
import { readPageByDays, readRowsByDays, readUngroupedTotals } from '../../db/spend/stretches.ts';
import { startApi, type Api } from '../api/support.ts';
import { NOW, TODAY, storeLedger } from './ledger.ts';
import { query, type Query } from './query.ts';
import { z } from 'zod';

let api: Api;
let ids: string[];
beforeAll(async () => {
  api = await startApi({ now: () => NOW });
  ids = (await storeLedger(api.db)).map(({ id }) => id);
});
afterAll(() => api.close());

const LONGEST_MS = 120_000;
/** So few lines make a stretch that a page needs several of them. */
const enough = fc.constantFrom(1, 3, 10, 40);
const asked = fc
  .tuple(query, fc.constantFrom('day' as const, 'week' as const, 'month' as const))
  .map(([drawn, grain]): Query => {
    const others = drawn.groupBy.filter((group) => !isGroup(group) || !isGrain(group));
    return { ...drawn, groupBy: [grain, ...others], report: drawn.report === 'usage' ? 'usage' : 'costs' };
  });

const isDimension = (name: string): name is Dimension =>
  COST_DIMENSIONS.some((known) => known === name) || name.startsWith('tag.');
const isGroup = (name: string): name is Group =>
  isDimension(name) || name === 'day' || name === 'week' || name === 'month';

function spendQueryOf({ from, to, filters, groupBy, limit }: Query): SpendQuery {
  return {
    from: toDay(from),
    to: toDay(to),
    today: toDay(TODAY),
    filters: filters.map(({ dimension, excludes, values }) => {
      if (!isDimension(dimension)) throw new Error(`${dimension} is no dimension`);
      return {
        dimension,
        excludes,
        values: values.map((value) => (typeof value === 'number' ? (ids[value] ?? null) : value)),
      };
    }),
    groupBy: groupBy.filter(isGroup),
    order: 'key',
    comparison: null,
    after: null,
    limit,
  };
}

/** Every page of a query, as `read` reads them. */
async function pagesOf<P extends { readonly data: readonly GroupRow[] }>(
  first: SpendQuery,
  read: (query: SpendQuery) => Promise<P>,
): Promise<P[]> {
  const pages: P[] = [];
  let after: SpendQuery['after'] = null;
  for (;;) {
    const page: P = await read({ ...first, after });
    pages.push(page);
    const last = page.data.at(-1);
    if (page.data.length < (first.limit ?? 0) || last === undefined) return pages;
    after = last.key;
  }
}

async function rowsOf<Row>(batches: AsyncIterable<readonly Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const batch of batches) rows.push(...batch);
  return rows;
}

describe('a page of rows in the order of their days', () => {
  it(
    'says the same whether some of the days or all of them are added up by groups',
    async () => {
      const other = z.object({});
      await fc.assert(
        fc.asyncProperty(asked, enough, async (drawn, lines) => {
          const spend = spendQueryOf(drawn);
          const compare = async <Row extends GroupRow, Totals>(
            report: 'cost' | 'usage',
            compile: (one: SpendQuery) => Compiled<Row, Totals>,
          ): Promise<void> => {
            const some = await pagesOf(spend, (one) => readPageByDays(api.db, compile, one, report, other, lines));
            const all = await pagesOf(spend, (one) => readPage(api.db, compile(one), other));
            expect(some).toEqual(all);
          };
          await (drawn.report === 'usage' ? compare('usage', compileUsage) : compare('cost', compileCosts));
        }),
        { numRuns: 120 },
      );
    },
    LONGEST_MS,
  );
});

describe('a file of rows in the order of their days', () => {
  it(
    'has the same rows and totals whether some of the days or all of them are added up at a time',
    async () => {
      await fc.assert(
        fc.asyncProperty(asked, enough, async (drawn, lines) => {
          const spend = { ...spendQueryOf(drawn), limit: null };
          const compare = async <Row extends GroupRow, Totals>(
            report: 'cost' | 'usage',
            compile: (one: SpendQuery) => Compiled<Row, Totals>,
          ): Promise<void> => {
            await inSnapshot(api.db, async (tx) => {
              const some = await rowsOf(readRowsByDays(tx, compile, spend, report, lines));
              const all = await rowsOf(readRows(tx, compile(spend)));
              expect(some).toEqual(all);
              expect(await readUngroupedTotals(tx, compile, spend)).toEqual(await readTotals(tx, compile(spend)));
            });
          };
          await (drawn.report === 'usage' ? compare('usage', compileUsage) : compare('cost', compileCosts));
        }),
        { numRuns: 60 },
      );
    },
    LONGEST_MS,
  );
});
