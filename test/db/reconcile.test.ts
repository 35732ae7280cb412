import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storedDays } from '../../db/ledger/read-attempts.ts';
import { flagDays, reconcileDays } from '../../db/ledger/reconcile.ts';
import { addDays } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import {
  DAY,
  TODAY,
  commitCost,
  commitUsage,
  connect,
  cost,
  count,
  dayRow,
  takeAttempt,
  totalsOf,
  usage,
} from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('reconciling', () => {
  const window = { from: addDays(TODAY, -4), to: TODAY };
  const stored = async (): Promise<string> => {
    const { id } = await connect(database.db);
    for (const [index, total] of ['1', '2.5', '0', '4'].entries()) {
      await commitCost(database.db, id, total === '0' ? [] : [cost(total)], { day: addDays(window.from, index) });
    }
    return id;
  };
  const states = async (id: string): Promise<string[]> => {
    const found = await rows<{ text: string }>(
      database.db,
      sql`
        select state || case when reconciled then ' reconciled' else '' end || coalesce(' not ' || disagrees_with, '') as text
        from days where connection_id = ${id} order by day
      `,
    );
    return found.map(({ text }) => text);
  };
  const totals = totalsOf({
    [window.from]: '1.00',
    [addDays(window.from, 1)]: '2.5',
    [addDays(window.from, 3)]: '5',
  });

  it('marks days that add up as reconciled, and as final once they have settled, and returns the suspect days', async () => {
    const id = await stored();
    const comparison = { connectionId: id, report: 'cost', window, totals, today: TODAY, restatementDays: 3 } as const;
    expect(await reconcileDays(database.db, comparison)).toEqual([addDays(TODAY, -1)]);
    expect(await states(id)).toEqual(['final reconciled', 'final reconciled', 'provisional reconciled', 'provisional']);
    expect(await reconcileDays(database.db, { ...comparison, window: { from: DAY, to: DAY } })).toEqual([]);
    expect(await storedDays(database.db, id, 'cost', window)).toEqual([
      { day: window.from, state: 'final', total: '1', readOn: TODAY },
      { day: addDays(window.from, 1), state: 'final', total: '2.5', readOn: TODAY },
      { day: addDays(window.from, 2), state: 'provisional', total: '0', readOn: TODAY },
      { day: addDays(window.from, 3), state: 'provisional', total: '4', readOn: TODAY },
    ]);
  });

  it('as a part of reading judges no day that a newer attempt has read, and names it until it is reconciled', async () => {
    const id = await stored();
    const [older, newer] = [await takeAttempt(database.db), await takeAttempt(database.db)];
    await commitCost(database.db, id, [cost('7')], { day: window.from, attempt: newer });
    const comparison = { connectionId: id, report: 'cost', window, totals, restatementDays: 3 } as const;
    expect(await reconcileDays(database.db, { ...comparison, attempt: older })).toEqual([
      window.from,
      addDays(TODAY, -1),
    ]);
    expect((await states(id))[0]).toBe('provisional');
    const agreeing = { ...totals, [window.from]: toDecimal('7') };
    await reconcileDays(database.db, { ...comparison, totals: agreeing, attempt: newer });
    expect((await states(id))[0]).toBe('final reconciled');
    expect(await reconcileDays(database.db, { ...comparison, attempt: older })).toEqual([addDays(TODAY, -1)]);
    expect((await states(id))[0]).toBe('final reconciled');
  });

  it('keeps a day provisional that was last read before it had settled, and makes such a final day provisional again', async () => {
    const { id } = await connect(database.db);
    const comparison = { connectionId: id, report: 'cost', window: { from: DAY, to: DAY }, totals: {} } as const;
    const state = async (restatementDays: number): Promise<string | undefined> => {
      await reconcileDays(database.db, { ...comparison, restatementDays });
      return (await states(id))[0];
    };
    await commitCost(database.db, id, [], { today: addDays(DAY, 2) });
    expect(await state(3)).toBe('provisional reconciled');
    await commitCost(database.db, id, [], { today: addDays(DAY, 3) });
    expect(await state(3)).toBe('final reconciled');
    expect(await state(10)).toBe('provisional reconciled');
  });

  it('makes a final day provisional again as soon as its total differs', async () => {
    const id = await stored();
    const comparison = { connectionId: id, report: 'cost', window, totals, restatementDays: 3 } as const;
    await reconcileDays(database.db, comparison);
    expect((await states(id))[0]).toBe('final reconciled');
    expect(
      await reconcileDays(database.db, { ...comparison, totals: { ...totals, [window.from]: toDecimal('9') } }),
    ).toContain(window.from);
    expect((await states(id))[0]).toBe('provisional');
  });

  it('changes no other report, no other connection, and no missing day', async () => {
    const [id, other] = [await stored(), await stored()];
    const comparison = { connectionId: id, report: 'usage', window, totals, today: TODAY, restatementDays: 3 } as const;
    expect(await reconcileDays(database.db, comparison)).toEqual([]);
    await reconcileDays(database.db, { ...comparison, report: 'cost' });
    expect(await states(other)).toEqual(Array.from({ length: 4 }, () => 'provisional'));
  });

  it('flags a day once, until it adds up or changes', async () => {
    const id = await stored();
    const day = addDays(TODAY, -1);
    const comparison = { connectionId: id, report: 'cost', window, totals, today: TODAY, restatementDays: 0 } as const;
    for (let time = 0; time < 2; time += 1) {
      await flagDays(database.db, { connectionId: id, report: 'cost', days: [day, window.from], totals });
    }
    expect((await states(id))[3]).toBe('provisional not 5');
    expect(await count(database.db, sql`events where connection_id = ${id} and type = 'day_flagged'`)).toBe(1);
    await reconcileDays(database.db, { ...comparison, totals: { ...totals, [day]: toDecimal('4.0') } });
    expect((await states(id))[3]).toBe('final reconciled');
    await flagDays(database.db, { connectionId: id, report: 'cost', days: [day], totals });
    expect((await states(id))[3]).toBe('provisional not 5');
    await commitCost(database.db, id, [cost('5')], { day });
    expect((await states(id))[3]).toBe('provisional');
    await reconcileDays(database.db, comparison);
    expect((await states(id))[3]).toBe('final reconciled');
    expect(await count(database.db, sql`events where connection_id = ${id} and type = 'day_flagged'`)).toBe(2);
  });

  it('neither flags nor clears a day without a readable total', async () => {
    const id = await stored();
    const comparison = { connectionId: id, report: 'cost', window, totals, restatementDays: 0 } as const;
    await reconcileDays(database.db, comparison);
    const before = await states(id);
    const unread = { ...totals, [window.from]: null, [addDays(TODAY, -1)]: null };
    expect(await reconcileDays(database.db, { ...comparison, totals: unread })).toEqual([]);
    await flagDays(database.db, { connectionId: id, report: 'cost', days: [window.from], totals: unread });
    expect(await states(id)).toEqual(before);
  });

  it('compares usage by its tokens, also those that have no column', async () => {
    const { id } = await connect(database.db);
    const counts = { 'cache_creation.ephemeral_24h_input_tokens': 500, tokens_of_thought: 9, 'x.tokens': 1 };
    await commitUsage(database.db, id, [usage({ output_tokens: 50 }, {}, counts), usage({}, { model: 'b' }, counts)]);
    expect((await dayRow(database.db, id, 'usage'))?.total).toBe('1052');
    const more = [usage({ output_tokens: 50 }, {}, counts), usage({}, { model: 'c' }, { 'x.tokens': 2 })];
    await commitUsage(database.db, id, more);
    expect((await dayRow(database.db, id, 'usage'))?.total).toBe('553');
  });

  it('compares usage by nothing but its tokens', async () => {
    const { id } = await connect(database.db);
    await commitUsage(database.db, id, [
      usage({ uncached_input_tokens: 1, cache_creation_1h: 2, web_search_requests: 9 }, {}, { x: 7 }),
    ]);
    const comparison = {
      connectionId: id,
      report: 'usage',
      window: { from: DAY, to: DAY },
      today: TODAY,
      restatementDays: 3,
    } as const;
    expect(await reconcileDays(database.db, { ...comparison, totals: totalsOf({ [DAY]: '12' }) })).toEqual([DAY]);
    expect(await reconcileDays(database.db, { ...comparison, totals: totalsOf({ [DAY]: '3' }) })).toEqual([]);
  });
});
