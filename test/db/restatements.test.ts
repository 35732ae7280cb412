import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Db } from '../../db/core/database.ts';
import type { DayOutcome } from '../../db/ledger/commit.ts';
import { flagDays, reconcileDays } from '../../db/ledger/reconcile.ts';
import { addDays } from '../../domain/days.ts';
import type { CostLine, UsageLine } from '../support/lines.ts';
import { addDecimals, type Decimal } from '../../domain/money.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { row, rows } from '../support/rows.ts';
import {
  costLines,
  costModel,
  difference,
  knownOf,
  linesOf,
  restatements,
  storedCost,
  storedUsage,
  usageLines,
  usageModel,
  type Restatement,
} from './ledger-support.ts';
import { DAY, TODAY, commitCost, commitUsage, connect, cost, count, dayRow, totalsOf, usage } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('a day read again and again', () => {
  it('has exactly the cost lines that were read last, and each change is recorded as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(costLines, { minLength: 1, maxLength: 6 }), async (reads) => {
        const { id } = await connect(database.db);
        let before: Map<string, Decimal> | null = null;
        const expected: Omit<Restatement, 'before' | 'after'>[] = [];
        for (const lines of reads) {
          const after = costModel(lines);
          const same = before !== null && knownOf(before) === knownOf(after);
          expect(await commitCost(database.db, id, lines)).toBe(same ? 'unchanged' : 'changed');
          expect(await storedCost(database.db, id)).toEqual(linesOf(after));
          const dollars = [...after].flatMap(([series, value]) => (series.includes('EUR') ? [] : [value]));
          expect(await dayRow(database.db, id, 'cost')).toMatchObject({
            lines: after.size,
            total: addDecimals(dollars),
          });
          if (before !== null && !same) expected.push(difference(before, after));
          before = after;
        }
        expect(await restatements(database.db, id)).toMatchObject(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('has exactly the usage lines that were read last, and each change is recorded as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(usageLines, { minLength: 1, maxLength: 6 }), async (reads) => {
        const { id } = await connect(database.db);
        let before: Map<string, string> | null = null;
        const expected: Omit<Restatement, 'before' | 'after'>[] = [];
        for (const lines of reads) {
          const after = usageModel(lines);
          const same = before !== null && knownOf(before) === knownOf(after);
          expect(await commitUsage(database.db, id, lines)).toBe(same ? 'unchanged' : 'changed');
          expect(await storedUsage(database.db, id)).toEqual(linesOf(after));
          if (before !== null && !same) expected.push(difference(before, after));
          before = after;
        }
        expect(await restatements(database.db, id)).toMatchObject(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('is no restatement when the same sync reads a suspect day again', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1'), cost('1')], { sync: 4 });
    await commitCost(database.db, id, [cost('1')], { sync: 4 });
    expect(await restatements(database.db, id)).toEqual([]);
  });

  it('is restated from its old total to its new one, with an event', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1.50')]);
    await commitCost(database.db, id, []);
    await commitCost(database.db, id, [cost('2')], { sync: 9 });
    expect(await restatements(database.db, id)).toEqual([
      { before: '1.5', after: '0', added: 0, removed: 1, changed: 0 },
      { before: '0', after: '2', added: 1, removed: 0, changed: 0 },
    ]);
    const [event] = await rows<{ message: string }>(
      database.db,
      sql`select message from events where connection_id = ${id} and type = 'restatement' order by id desc`,
    );
    expect(event?.message).toBe(`The cost of ${DAY} was restated from 0 to 2 USD.`);
  });

  it('may grow before it ends: neither that nor its first complete read is a restatement', async () => {
    const { id } = await connect(database.db);
    const today = { day: TODAY, today: TODAY };
    await commitCost(database.db, id, [cost('1')], today);
    await commitCost(database.db, id, [cost('2')], today);
    expect(await dayRow(database.db, id, 'cost', TODAY)).toMatchObject({ read_on: TODAY, total: '2' });
    const tomorrow = { day: TODAY, today: addDays(TODAY, 1) };
    await commitCost(database.db, id, [cost('3')], tomorrow);
    expect(await restatements(database.db, id)).toEqual([]);
    expect(await dayRow(database.db, id, 'cost', TODAY)).toMatchObject({ read_on: tomorrow.today });
    await commitCost(database.db, id, [cost('4')], tomorrow);
    expect(await restatements(database.db, id)).toEqual([
      { before: '3', after: '4', added: 0, removed: 0, changed: 1 },
    ]);
  });

  it('counts as complete once it is read after its end, even if it did not grow', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1')], { day: TODAY, today: TODAY });
    expect(await commitCost(database.db, id, [cost('1')], { day: TODAY, today: addDays(TODAY, 1) })).toBe('unchanged');
    await commitCost(database.db, id, [cost('2')], { day: TODAY, today: addDays(TODAY, 1) });
    expect(await restatements(database.db, id)).toHaveLength(1);
  });
});

describe('a complete day in which only unknown fields changed', () => {
  const window = { from: DAY, to: DAY };
  const KNOWN = { workspace_id: 'w', model: 'm', token_type: 'output_tokens' };

  interface Standing {
    readonly outcome: DayOutcome;
    readonly told: number;
    readonly row: unknown;
  }

  /** What becomes of a day that is final, once it is read otherwise. */
  async function read<Kind extends CostLine | UsageLine>(
    commit: (db: Db, id: string, lines: readonly Kind[], options?: { reported?: string }) => Promise<DayOutcome>,
    before: readonly Kind[],
    after: readonly Kind[],
  ): Promise<Standing & { readonly id: string }> {
    const { id } = await connect(database.db);
    await commit(database.db, id, before);
    const ofUsage: unknown = commitUsage;
    const report = commit === ofUsage ? 'usage' : 'cost';
    const { total = '' } = (await dayRow(database.db, id, report)) ?? {};
    await reconcileDays(database.db, {
      connectionId: id,
      report,
      window,
      totals: totalsOf({ [DAY]: total }),
      restatementDays: 3,
    });
    const outcome = await commit(database.db, id, after, { reported: total });
    const told = await count(database.db, sql`events where connection_id = ${id} and type = 'restatement'`);
    expect(await restatements(database.db, id)).toHaveLength(told);
    return { id, outcome, told, row: await dayRow(database.db, id, report) };
  }

  it.each<[string, CostLine[], CostLine[]]>([
    ['a new field', [cost('5', KNOWN)], [cost('5', { ...KNOWN, delivery: 'standard' })]],
    ['a field that is gone', [cost('5', { ...KNOWN, speed: 'fast' })], [cost('5', KNOWN)]],
    [
      'a field of another value',
      [cost('5', { ...KNOWN, speed: 1 })],
      [cost('5', { ...KNOWN, speed: { fast: [true] } })],
    ],
    [
      'a field that splits a line',
      [cost('5', KNOWN), cost('1')],
      [cost('1'), cost('2', { ...KNOWN, speed: 'fast' }), cost('3', { ...KNOWN, speed: 'slow' })],
    ],
    ['a field that joins lines', [cost('2', { ...KNOWN, s: 1 }), cost('3', { ...KNOWN, s: 2 })], [cost('5', KNOWN)]],
    ['a line of nothing', [cost('5', KNOWN)], [cost('5', KNOWN), cost('0', { model: 'new' })]],
    ['a line of nothing in a day without cost', [], [cost('0', KNOWN)]],
    ['parts that add up to nothing', [cost('5', KNOWN)], [cost('5', KNOWN), cost('1', { x: 1 }), cost('-1', { x: 2 })]],
  ])('is no restatement: %s', async (_what, before, after) => {
    const { id, outcome, told, row: standing } = await read(commitCost, before, after);
    expect([outcome, told]).toEqual(['unchanged', 0]);
    expect(standing).toMatchObject({ state: 'final', reconciled: true, lines: after.length });
    expect(await storedCost(database.db, id)).toEqual(linesOf(costModel(after)));
    expect(await commitCost(database.db, id, after)).toBe('unchanged');
  });

  it.each<[string, UsageLine[], UsageLine[]]>([
    ['a new counter', [usage({ output_tokens: 3 })], [usage({ output_tokens: 3 }, {}, { code_review_requests: 7 })]],
    ['a counter that grew', [usage({}, {}, { x: 1 })], [usage({}, {}, { x: 2 })]],
    ['a new field', [usage({ output_tokens: 3 })], [usage({ output_tokens: 3 }, { speed: 'fast' })]],
    [
      'unknown tokens under another name',
      [usage({}, {}, { a_tokens: 5 })],
      [usage({}, {}, { 'b.c_tokens': 2, d_tokens: 3 })],
    ],
  ])('is no restatement of usage: %s', async (_what, before, after) => {
    const { id, outcome, told, row: standing } = await read(commitUsage, before, after);
    expect([outcome, told]).toEqual(['unchanged', 0]);
    expect(standing).toMatchObject({ state: 'final', reconciled: true });
    expect(await storedUsage(database.db, id)).toEqual(linesOf(usageModel(after)));
  });

  it.each<[string, CostLine[], CostLine[], string]>([
    [
      'to another model',
      [cost('5', KNOWN)],
      [cost('5', { ...KNOWN, model: 'other' })],
      'its total stayed 5 USD, but lines moved (1 added, 1 removed, 0 changed).',
    ],
    [
      'between two lines, one with a new field',
      [cost('5', KNOWN), cost('1', { model: 'x' })],
      [cost('4', KNOWN), cost('2', { model: 'x', speed: 'fast' })],
      'its total stayed 6 USD, but lines moved (1 added, 1 removed, 1 changed).',
    ],
    [
      'in another currency',
      [cost('5', KNOWN), cost('1', { currency: 'EUR' })],
      [cost('5', KNOWN), cost('2', { currency: 'EUR' })],
      'its total stayed 5 USD, but lines moved (0 added, 0 removed, 1 changed).',
    ],
  ])('but lines that move under an equal total are a restatement: %s', async (_what, before, after, sentence) => {
    const { id, outcome, told, row: standing } = await read(commitCost, before, after);
    expect([outcome, told]).toEqual(['changed', 1]);
    expect(standing).toMatchObject({ state: 'provisional' });
    const { message } = await row<{ message: string }>(
      database.db,
      sql`select message from events where connection_id = ${id} and type = 'restatement'`,
    );
    expect(message).toBe(`The cost of ${DAY} was restated: ${sentence}`);
  });

  it.each<[string, UsageLine[], UsageLine[]]>([
    ['requests', [usage({ web_search_requests: 1 })], [usage({ web_search_requests: 2 })]],
    [
      'unknown tokens, to another model',
      [usage({}, { model: 'a' }, { x_tokens: 5 })],
      [usage({}, { model: 'b' }, { x_tokens: 5 })],
    ],
    ['known tokens', [usage({ output_tokens: 1 })], [usage({ uncached_input_tokens: 1 })]],
  ])('but usage that moves is a restatement: %s', async (_what, before, after) => {
    expect(await read(commitUsage, before, after)).toMatchObject({ outcome: 'changed', told: 1 });
  });

  it('keeps its flag, and does not count as changed by the sync', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('5', KNOWN)]);
    await flagDays(database.db, { connectionId: id, report: 'cost', days: [DAY], totals: totalsOf({ [DAY]: '6' }) });
    expect(await commitCost(database.db, id, [cost('5', { ...KNOWN, new: 1 })])).toBe('unchanged');
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ disagrees_with: '6' });
  });
});
