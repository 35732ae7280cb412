import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assess, isAssessmentDue } from '../../db/budgets/assess.ts';
import { changeBudget, createBudget, deleteBudget, type GivenBudget } from '../../db/budgets/budgets.ts';
import type { Db } from '../../db/core/database.ts';
import { reconcileDays } from '../../db/ledger/reconcile.ts';
import { openSync, succeedSync } from '../../db/ledger/syncs.ts';
import { createChannel } from '../../db/notices/channels.ts';
import { storeAllocation } from '../../db/allocation/versions.ts';
import type { Threshold } from '../../domain/budgets/budget.ts';
import type { Forecaster } from '../../domain/budgets/state.ts';
import { addDays, daysIn, toDay, type Day } from '../../domain/days.ts';
import { addDecimals, toDecimal } from '../../domain/money.ts';
import { monthOf } from '../../domain/months.ts';
import { EVERYTHING } from '../../domain/notices/subscriptions.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import { RING, commitCost, connect, cost, count, promised, waiting } from './support.ts';
import { until } from '../support/wait.ts';

/** The twentieth day of a month, so that its first nineteen days are over. */
const TODAY = toDay('2026-11-20');
const FIRST = toDay('2026-11-01');

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
});
afterAll(() => database.close());
beforeEach(() =>
  db.execute(
    sql`truncate connections, channels, channel_addresses, notices, deliveries, budgets, assess_state, allocation_versions cascade`,
  ),
);

const at = (percent: string, of: Threshold['of'] = 'actual'): Threshold => ({
  of,
  percent: toDecimal(percent),
  usd: null,
});

/** As many dollars a day as on the last known day. */
const asBefore: Forecaster = (settled, from, through) => {
  const last = settled.at(-1);
  if (last === undefined) return { method: null, reason: 'Nothing is settled.' };
  const days = daysIn({ from, to: through }).map((day) => ({
    day,
    mean: last.amount,
    low: last.amount,
    high: last.amount,
  }));
  const sum = addDecimals(days.map(({ mean }) => mean));
  return { method: 'last_day', days, sum: { mean: sum, low: sum, high: sum } };
};

function budget(given: Partial<GivenBudget> = {}): Promise<string> {
  const whole: GivenBudget = {
    name: `Budget ${randomUUID()}`,
    scope: { filters: [] },
    period: 'month',
    amount: toDecimal('100'),
    thresholds: [at('50')],
    channels: [],
    createdOn: FIRST,
    ...given,
  };
  return createBudget(db, whole, 'test');
}

/** A connection that has read its days, each with its cost, as of the day after; the first of the month comes first. */
async function reading(amounts: readonly string[], from = FIRST): Promise<string> {
  const { id } = await connect(db, { organization: randomUUID(), began: from, backfillTo: TODAY });
  for (const [index, amount] of amounts.entries()) await reads(id, addDays(from, index), amount);
  return id;
}

/** Reads a day after its end, and reconciles it. */
async function reads(id: string, day: Day, amount: string, dimensions = {}): Promise<void> {
  await commitCost(db, id, [cost(amount, dimensions)], { day, today: addDays(day, 5) });
  const comparison = { connectionId: id, report: 'cost', restatementDays: 3, window: { from: day, to: day } } as const;
  await reconcileDays(db, { ...comparison, totals: { [day]: toDecimal(amount) } });
}

interface Alert extends Record<string, unknown> {
  readonly percent: string | null;
  readonly of: string;
  readonly value: string;
  readonly withdrawn: boolean;
}
const alerts = (): Promise<Alert[]> =>
  rows(
    db,
    sql`select percent::text, of, value::text, withdrawn_at is not null as withdrawn from budget_alerts order by no`,
  );
const told = (): Promise<{ occasion: string; address: string }[]> =>
  rows(db, sql`select occasion, address from deliveries order by no`);
const assessed = (today = TODAY): ReturnType<typeof assess> => assess(db, today, asBefore);

function mail(name: string, address: string): Promise<string> {
  const target = { kind: 'email', to: [address] } as const;
  return createChannel(db, RING, { name, target, subscriptions: EVERYTHING, actor: 'test' });
}

describe('a threshold of what is spent', () => {
  it('fires once, with its notice and a delivery, however often it is assessed', async () => {
    await mail('Mail', 'a@example.com');
    await budget({ thresholds: [at('50'), at('80')] });
    await reading(['20', '30.5']);
    expect(await assessed()).toMatchObject({ budgets: 1, alerts: 1, withdrawn: 0 });
    expect(await assessed()).toMatchObject({ budgets: 1, alerts: 0, withdrawn: 0 });
    expect(await alerts()).toEqual([{ percent: '50', of: 'actual', value: '50.5', withdrawn: false }]);
    expect(await told()).toEqual([{ occasion: 'opened', address: 'a@example.com' }]);
    const [notice] = await rows<{ data: Record<string, unknown> }>(db, sql`select data from notices`);
    expect(notice?.data).toMatchObject({ spent: '50.5', threshold_amount: '50', missing_days: 17 });
  });

  it('goes to the channels that the budget names, and to no other one', async () => {
    await mail('All', 'all@example.com');
    const named = await mail('Named', 'named@example.com');
    await budget({ channels: [named] });
    await reading(['60']);
    await assessed();
    expect(await told()).toEqual([{ occasion: 'opened', address: 'named@example.com' }]);
  });

  it('counts provisional days, and fires although days are missing', async () => {
    await budget();
    const id = await reading([]);
    await commitCost(db, id, [cost('51')], { day: TODAY, today: TODAY });
    expect(await assessed()).toMatchObject({ alerts: 1 });
  });

  it('is withdrawn by one notice once a restatement undoes it, and fires again once it is reached again', async () => {
    await mail('Mail', 'a@example.com');
    await budget();
    const id = await reading(Array.from({ length: 19 }, () => '3'));
    expect(await assessed()).toMatchObject({ alerts: 1 });
    await mail('Later', 'late@example.com');
    await reads(id, FIRST, '-20');
    expect(await assessed()).toMatchObject({ alerts: 0, withdrawn: 1 });
    expect(await assessed()).toMatchObject({ alerts: 0, withdrawn: 0 });
    expect(await told()).toEqual([
      { occasion: 'opened', address: 'a@example.com' },
      { occasion: 'withdrawn', address: 'a@example.com' },
    ]);
    const [notice] = await rows<{ reason: string; closed: boolean }>(
      db,
      sql`select withdrawn_reason as reason, closed_at is not null as closed from notices`,
    );
    expect(notice).toEqual({
      reason:
        'By the costs and the scope of the budget as they are now, $34.00 is spent, which is below the threshold of $50.00.',
      closed: false,
    });
    await reads(id, FIRST, '3');
    expect(await assessed()).toMatchObject({ alerts: 1, withdrawn: 0 });
    expect((await alerts()).map(({ withdrawn }) => withdrawn)).toEqual([true, false]);
  });

  it('is not withdrawn while days are missing, or because they are read no more', async () => {
    await budget();
    const id = await reading(Array.from({ length: 19 }, () => '3'));
    await assessed();
    await db.execute(sql`delete from days where connection_id = ${id}`);
    expect(await assessed()).toMatchObject({ withdrawn: 0 });
    await db.execute(sql`update connections set status = 'disconnected', ended_at = now(), purged_at = now()`);
    expect(await assessed()).toMatchObject({ withdrawn: 0 });
    expect(await alerts()).toMatchObject([{ withdrawn: false }]);
  });

  it('of a budget that a person raised is withdrawn, and one that is still true is not told again', async () => {
    const id = await budget({ thresholds: [at('10'), at('50')] });
    await reading(Array.from({ length: 19 }, () => '3'));
    expect(await assessed()).toMatchObject({ alerts: 2 });
    await changeBudget(db, id, { amount: toDecimal('200') }, 'test');
    expect(await assessed()).toMatchObject({ alerts: 0, withdrawn: 1 });
    expect(await alerts()).toMatchObject([
      { percent: '10', withdrawn: false },
      { percent: '50', withdrawn: true },
    ]);
  });

  it('fires for the month before by late data, but for no month that ended before the budget was made', async () => {
    await budget({ name: 'Old', createdOn: toDay('2026-10-05') });
    await budget({ name: 'New', createdOn: TODAY });
    await reading(['60'], toDay('2026-10-31'));
    await assessed();
    const found = await rows(
      db,
      sql`select b.name, a.from_day::text as "from" from budget_alerts a join budgets b on b.id = a.budget_id`,
    );
    expect(found).toEqual([{ name: 'Old', from: '2026-10-01' }]);
  });

  it('closes once its period is settled, and when its budget is deleted', async () => {
    const open = (): Promise<number> => count(db, sql`notices where closed_at is null and withdrawn_at is null`);
    const id = await budget();
    await reading(Array.from({ length: 30 }, () => '3'));
    await assessed();
    expect(await open()).toBe(1);
    await assessed(toDay('2026-12-02'));
    expect(await open()).toBe(0);
    await db.execute(sql`update notices set closed_at = null`);
    await deleteBudget(db, id, 'test');
    await assessed(toDay('2026-12-02'));
    expect(await open()).toBe(0);
  });
});

describe('a threshold of a forecast', () => {
  const expecting = (): Promise<string> => budget({ thresholds: [at('100', 'forecast')] });

  it('fires on the second settled day in a row on which it is expected, and not while a day is missing', async () => {
    await expecting();
    const id = await reading(Array.from({ length: 17 }, () => '3'));
    await reads(id, addDays(TODAY, -2), '9');
    const wait = addDays(TODAY, -1);
    expect(await assessed(wait)).toMatchObject({ alerts: 0 });
    expect(await assessed()).toMatchObject({ alerts: 0 });
    await reads(id, wait, '9');
    expect(await assessed()).toMatchObject({ alerts: 1 });
    // 17 × 3 + 2 × 9, and 11 days of 9 to come.
    expect(await alerts()).toMatchObject([{ of: 'forecast', value: '168' }]);
  });

  it('that dips and comes back tells nothing, and one that a restatement undoes is withdrawn', async () => {
    await expecting();
    const id = await reading([...Array.from({ length: 15 }, () => '3'), '9', '9']);
    const day = (index: number): Day => addDays(FIRST, index);
    expect(await assessed(day(17))).toMatchObject({ alerts: 1 });
    await reads(id, day(17), '0.1');
    expect(await assessed(day(18))).toMatchObject({ alerts: 0, withdrawn: 0 });
    await reads(id, day(18), '9');
    await reads(id, day(19), '9');
    expect(await assessed(day(20))).toMatchObject({ alerts: 0, withdrawn: 0 });
    await reads(id, day(16), '0.1');
    expect(await assessed(day(20))).toMatchObject({ alerts: 0, withdrawn: 0 });
    await reads(id, day(19), '0.1');
    expect(await assessed(day(20))).toMatchObject({ alerts: 0, withdrawn: 1 });
  });

  it('learns from no provisional day, and a day without usage counts as zero only if it was read', async () => {
    const seen: string[][] = [];
    const spy: Forecaster = (settled, from, through) => {
      seen.push(settled.map(({ day, amount }) => `${day} ${amount}`));
      return asBefore(settled, from, through);
    };
    await expecting();
    const id = await reading(['3', '0', '5']);
    await commitCost(db, id, [cost('70')], { day: toDay('2026-11-04'), today: toDay('2026-11-04') });
    await assess(db, toDay('2026-11-05'), spy);
    expect(new Set(seen.flat())).toEqual(new Set(['2026-11-01 3', '2026-11-02 0', '2026-11-03 5']));
  });

  it('is kept once a day, and judged once the month is over', async () => {
    await expecting();
    const id = await reading(Array.from({ length: 28 }, () => '2'));
    await assessed(toDay('2026-11-29'));
    await assessed(toDay('2026-11-29'));
    await reads(id, toDay('2026-11-29'), '2');
    await assessed(toDay('2026-11-30'));
    const kept = (): Promise<unknown[]> =>
      rows(
        db,
        sql`select made_on::text as day, mean::text, actual::text, error::text from forecasts where budget_id is not null and to_day = '2026-11-30' order by no`,
      );
    expect(await kept()).toMatchObject([
      { day: '2026-11-29', actual: null },
      { day: '2026-11-30', actual: null },
    ]);
    await reads(id, toDay('2026-11-30'), '2');
    await assessed(toDay('2026-12-01'));
    expect(await kept()).toMatchObject([
      { day: '2026-11-29', mean: '60', actual: '60', error: '0' },
      { day: '2026-11-30', actual: '60' },
    ]);
    const ofConnection = await rows(
      db,
      sql`select mean::text, actual::text from forecasts where connection_id is not null and to_day = '2026-11-30'`,
    );
    expect(ofConnection).toEqual([
      { mean: '60', actual: '60' },
      { mean: '60', actual: '60' },
    ]);
  });
});

describe('a scope', () => {
  it('counts only what its filters let through, and of a cost center its shares of pools', async () => {
    await budget({
      name: 'Model',
      scope: { filters: [{ dimension: 'model', excludes: false, values: ['a'] }] },
      thresholds: [at('1')],
    });
    await budget({ name: 'Center', scope: { costCenter: 'red' }, thresholds: [at('1')] });
    await storeAllocation(
      db,
      {
        from: monthOf(FIRST),
        rules: [
          { name: 'a', where: [{ dimension: 'model', excludes: false, values: ['a'] }], to: { center: 'red' } },
          { name: 'rest', where: [], to: { pool: 'shared' } },
        ],
        pools: [{ name: 'shared', split: { kind: 'even' }, among: [{ center: 'red' }, { center: 'blue' }] }],
      },
      'test',
    );
    const id = await reading([]);
    await commitCost(db, id, [cost('7', { model: 'a' }), cost('10', { model: 'b' })], { day: FIRST, today: TODAY });
    await assessed();
    const found = await rows(
      db,
      sql`select b.name, a.value::text as value from budget_alerts a join budgets b on b.id = a.budget_id order by b.name`,
    );
    expect(found).toEqual([
      { name: 'Center', value: '12' },
      { name: 'Model', value: '7' },
    ]);
  });
});

describe('two months of a connection, assessed day by day', () => {
  it('with an outage over a threshold, late days and corrections tell of each crossing exactly once', async () => {
    await mail('Mail', 'a@example.com');
    await budget({ createdOn: toDay('2026-09-01') });
    const first = toDay('2026-09-01');
    const id = await reading([], first);
    const fired: string[] = [];
    const withdrawn: string[] = [];
    for (let index = 0; index < 61; index += 1) {
      const [day, today] = [addDays(first, index), addDays(first, index + 1)];
      // The threshold of $50 is crossed on 17 September, while nothing can be read.
      const isOut = day >= toDay('2026-09-15') && day < toDay('2026-09-20');
      if (day === toDay('2026-09-20')) {
        for (let late = 14; late < 19; late += 1) await reads(id, addDays(first, late), '3');
      }
      if (!isOut) await reads(id, day, '3');
      if (day === toDay('2026-09-25')) await reads(id, toDay('2026-09-03'), '-60');
      if (day === toDay('2026-10-02')) await reads(id, toDay('2026-09-03'), '3');
      const { alerts: more, withdrawn: less } = await assessed(today);
      if (more > 0) fired.push(...Array.from({ length: more }, () => day));
      if (less > 0) withdrawn.push(...Array.from({ length: less }, () => day));
    }
    expect(fired).toEqual(['2026-09-20', '2026-10-02', '2026-10-17']);
    expect(withdrawn).toEqual(['2026-09-25']);
    const mails = await rows<{ occasion: string }>(
      db,
      sql`
        select d.occasion from deliveries d join notices n on n.id = d.notice_id
        where n.kind = 'budget_threshold' order by d.no
      `,
    );
    expect(mails.map(({ occasion }) => occasion)).toEqual(['opened', 'withdrawn', 'opened', 'opened']);
  }, 120_000);
});
describe('two assessments at once', () => {
  it('tell of a threshold once', async () => {
    await mail('Mail', 'a@example.com');
    await budget();
    await reading(['60']);
    const both = await Promise.all([assessed(), assessed(), assessed()]);
    expect(both.map(({ alerts: fired }) => fired).sort()).toEqual([0, 0, 1]);
    expect(await told()).toHaveLength(1);
  });

  it('decide one after the other, so the later one never decides by older numbers', async () => {
    await budget();
    const id = await reading(Array.from({ length: 19 }, () => '3'));
    const [holding, release] = [promised(), promised()];
    const held: Forecaster = (...given) => asBefore(...given);
    // A person's transaction holds the assessment before its snapshot, and what is restated meanwhile counts.
    const holder = db.transaction(async (tx) => {
      await tx.execute(sql`lock table assess_state in exclusive mode`);
      holding.keep();
      await release.done;
    });
    await holding.done;
    const late = assess(db, TODAY, held);
    await until('the assessment to wait', async () => (await waiting(db)) > 0);
    await reads(id, FIRST, '-20');
    release.keep();
    await holder;
    expect(await late).toMatchObject({ alerts: 0 });
    expect(await alerts()).toEqual([]);
  });

  it('never go back to an earlier day', async () => {
    await budget();
    await assessed();
    await assessed(addDays(TODAY, -3));
    expect(await rows(db, sql`select assessed_on::text as day from assess_state`)).toEqual([{ day: TODAY }]);
  });
});

describe('an assessment', () => {
  it('is due after a sync, a changed budget, and once a day, and not otherwise', async () => {
    const today = toDay(new Date().toISOString().slice(0, 10));
    expect(await isAssessmentDue(db)).toBe(true);
    await assessed(today);
    expect(await isAssessmentDue(db)).toBe(false);
    const id = await reading(['1']);
    const plan = { kind: 'daily', from: FIRST, to: FIRST, everyDay: false } as const;
    const run = { connectionId: id, n: 1, runId: 'run' };
    await openSync(db, run, plan);
    await assessed(today);
    expect(await isAssessmentDue(db)).toBe(false);
    await succeedSync(db, run, plan, Date.now());
    expect(await isAssessmentDue(db)).toBe(true);
    await assessed(today);
    const made = await budget();
    expect(await isAssessmentDue(db)).toBe(true);
    await assessed(today);
    await changeBudget(db, made, { amount: toDecimal('2') }, 'test');
    expect(await isAssessmentDue(db)).toBe(true);
    await assessed(today);
    await deleteBudget(db, made, 'test');
    expect(await isAssessmentDue(db)).toBe(true);
    await assessed(today);
    expect(await isAssessmentDue(db)).toBe(false);
    await db.execute(sql`update assess_state set assessed_on = assessed_on - 1`);
    expect(await isAssessmentDue(db)).toBe(true);
  });
});
