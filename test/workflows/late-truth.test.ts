import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { storeAllocation } from '../../db/allocation/versions.ts';
import { listRestatements, listStoredDays, type RestatementView } from '../../db/ledger/history.ts';
import { REPORTS } from '../../domain/lines.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { monthOf } from '../../domain/months.ts';
import type { Report } from '../../domain/lines.ts';
import { addDecimals, toDecimal } from '../../domain/money.ts';
import type { RestatementInput } from '../../simulator/simulator.ts';
import { record } from '../support/histories.ts';
import { skippingWorld } from '../support/skipping.ts';
import { eventsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { syncWorkflowId } from '../../workflows/messages.ts';

const { world, state, syncs, shown, connected, becomes, settles, ...skipping } = await skippingWorld();
const { organizationOf, workflowDay, passDays, passHours, expectExact } = skipping;
const { control } = world.simulator;
const { db } = world.database;

/** A connection that keeps the last 31 days, and the truth beside it. */
interface Subject {
  readonly id: string;
  readonly key: string;
  readonly organization: string;
  readonly began: Day;
}

async function subject(name: string): Promise<Subject> {
  const made = await connected(name, 31);
  await settles(made.id);
  return { ...made, began: addDays(await workflowDay(), -30) };
}

/** A day some days ago, `ago` at least, that has lines enough to change them; Sundays may be quiet. */
async function busyDay({ organization }: Subject, ago: number): Promise<Day> {
  const day = addDays(await workflowDay(), -ago);
  return linesOf(organization, 'cost', day) > 3 ? day : addDays(day, -1);
}

function linesOf(organization: string, report: Report, day: Day): number {
  return control.ledger({ report, from: day, to: day, organization }).length;
}

/** The exact total of a day as the simulator has it now: USD, or tokens. */
function truth(organization: string, report: Report, day: Day): string {
  const lines = control.ledger({ report, from: day, to: day, organization });
  return addDecimals(
    lines.flatMap((line) => {
      if ('amount_usd' in line) return line.currency === 'USD' ? [toDecimal(line.amount_usd)] : [];
      const { cache_creation_5m: five, cache_creation_1h: hour } = line;
      const tokens = line.uncached_input_tokens + line.output_tokens + line.cache_read_input_tokens + five + hour;
      return [toDecimal(String(tokens))];
    }),
  );
}

/** Oldest first; of one sync, which reads both reports side by side, cost before usage. */
async function restatements(id: string): Promise<RestatementView[]> {
  const page = { report: null, from: null, to: null, after: null, limit: 100 };
  const kept = (await listRestatements(db, id, page)).reverse();
  return kept.sort((a, b) => a.sync - b.sync || REPORTS.indexOf(a.report) - REPORTS.indexOf(b.report));
}

/** Everything since it began is exact, and nothing is in doubt. */
async function isExact({ id, organization, began }: Subject): Promise<void> {
  await expectExact(id, organization, began, await workflowDay());
  expect(await state(id)).toMatchObject({ status: 'active', failure: null, flagged: 0, unreconciled: 0 });
}

async function syncNow({ id }: Subject, range?: { from: Day; to: Day }): Promise<number> {
  const before = (await syncs(id)).length;
  await world.signal(id, 'syncNow', range);
  await until('a sync', async () => {
    const all = await syncs(id);
    return all.length > before && all.every((sync) => sync.state === 'succeeded');
  });
  await settles(id);
  return (await syncs(id)).at(-1)?.n ?? 0;
}

/** What became of a day: `before` as it was when it was read, `lines` as [added, removed, changed]. */
interface Expected {
  readonly report: Report;
  readonly day: Day;
  readonly before: string;
  readonly lines: readonly [number, number, number];
}

/** Exactly these restatements were kept, each by the last sync, and each with an event. */
async function expectRestated({ id, organization }: Subject, expected: readonly Expected[]): Promise<void> {
  const n = (await syncs(id)).at(-1)?.n;
  const kept = await restatements(id);
  expect(kept).toMatchObject(
    expected.map(({ report, day, before, lines: [linesAdded, linesRemoved, linesChanged] }) => ({
      report,
      day,
      before,
      after: truth(organization, report, day),
      linesAdded,
      linesRemoved,
      linesChanged,
      sync: n,
    })),
  );
  expect(await eventsOf(db, id, 'restatement')).toHaveLength(expected.length);
}

describe('a day that changed after it was read', () => {
  it.each([
    [10, 'two weeks ago'],
    [1, 'in the trailing window'],
  ])('from empty to full, %i days ago, is found at the next daily sync', async (ago) => {
    const { organization, key } = organizationOf(`Filled ${ago}`);
    const today = await workflowDay();
    const began = addDays(today, -30);
    const some = { organization, key, began, id: '' };
    const day = await busyDay(some, ago);
    control.late({ organization, day });
    const id = await world.connect({ key, backfillDays: 31, today });
    await becomes(id, 'active');
    const late = { ...some, id };
    await isExact(late);
    expect((await shown(id)).missing_days).toBe(0);
    const stored = await listStoredDays(db, id, { from: day, to: day });
    expect(stored.map(({ report, lines, total }) => [report, lines, total])).toEqual([
      ['cost', 0, '0'],
      ['usage', 0, '0'],
    ]);
    control.release({ organization });
    await passDays(id, 1);
    await isExact(late);
    await expectRestated(late, [
      { report: 'cost', day, before: '0', lines: [linesOf(organization, 'cost', day), 0, 0] },
      { report: 'usage', day, before: '0', lines: [linesOf(organization, 'usage', day), 0, 0] },
    ]);
  });

  type Change = Omit<RestatementInput, 'day' | 'organization'>;
  type Lines = (count: number) => [number, number, number];
  it.each<[string, number, Change, Report[], Lines]>([
    ['is emptied', 10, { kind: 'empty', report: 'both' }, ['cost', 'usage'], (count) => [0, count, 0]],
    ['gets two more rows', 12, { kind: 'add', rows: 2, report: 'both' }, ['cost', 'usage'], () => [2, 0, 0]],
    ['loses two rows', 14, { kind: 'remove', rows: 2, report: 'both' }, ['cost', 'usage'], () => [0, 2, 0]],
    ['costs more', 16, { kind: 'scale', factor: '1.01', rows: 1 }, ['cost'], () => [0, 0, 1]],
    ['costs less', 18, { kind: 'scale', factor: '0.5', rows: 3 }, ['cost'], () => [0, 0, 3]],
    ['has other usage only', 20, { kind: 'add', report: 'usage' }, ['usage'], () => [1, 0, 0]],
    ['has another cost only', 22, { kind: 'add', amount: '-0.000000000001' }, ['cost'], () => [1, 0, 0]],
    ['splits its cost in another way, in the trailing window', 2, { kind: 'split' }, ['cost'], () => [0, 0, 2]],
    [
      'splits its usage in another way, in the trailing window',
      2,
      { kind: 'split', report: 'usage' },
      ['usage'],
      () => [0, 0, 2],
    ],
    ['is billed in another currency in part', 24, { kind: 'currency' }, ['cost'], () => [1, 1, 0]],
  ])('and %s is read again, and recorded with what changed', async (name, ago, change, reports, lines) => {
    const it = await subject(name);
    const day = await busyDay(it, ago);
    const before = reports.map((report) => truth(it.organization, report, day));
    const counts = reports.map((report) => linesOf(it.organization, report, day));
    control.restate({ ...change, organization: it.organization, day });
    await passDays(it.id, 1);
    await isExact(it);
    await expectRestated(
      it,
      reports.map((report, index) => ({
        report,
        day,
        before: before[index] ?? '',
        lines: lines(counts[index] ?? 0),
      })),
    );
    // Workspaces, and for each report its totals and the lines of the last days; a day before those is one request more.
    const isOld = ago > 3;
    expect((await syncs(it.id)).at(-1)?.requests).toBe(5 + (isOld ? reports.length : 0));
  });

  it('is found up to the oldest of the 31 days, and an older day stays as it was read until somebody asks for it', async () => {
    const it = await subject('Oldest');
    const { id, organization, began } = it;
    const [outside, oldest] = [began, addDays(began, 1)];
    const before = { outside: truth(organization, 'cost', outside), oldest: truth(organization, 'cost', oldest) };
    control.restate({ organization, day: outside, kind: 'add' });
    control.restate({ organization, day: oldest, kind: 'add' });
    await passDays(id, 1);
    await expectRestated(it, [{ report: 'cost', day: oldest, before: before.oldest, lines: [1, 0, 0] }]);
    await expectExact(id, organization, oldest, await workflowDay());
    const [stored] = await listStoredDays(db, id, { from: outside, to: outside });
    expect(stored).toMatchObject({ report: 'cost', state: 'final', reconciled: true, total: before.outside });
    const n = await syncNow(it, { from: outside, to: outside });
    await isExact(it);
    expect((await restatements(id)).at(-1)).toMatchObject({ day: outside, before: before.outside, sync: n });
  });

  it('is found before the 31 days as well, while its month may still be closed', async () => {
    const it = await subject('Open month');
    const { id, organization, began } = it;
    const before = truth(organization, 'cost', began);
    await storeAllocation(db, { from: monthOf(began), rules: [], pools: [] }, 'test');
    try {
      control.restate({ organization, day: began, kind: 'add' });
      await passDays(id, 1);
      await expectRestated(it, [{ report: 'cost', day: began, before, lines: [1, 0, 0] }]);
      await isExact(it);
    } finally {
      await db.execute(sql`delete from allocation_versions`);
    }
  });

  it('in its lines but not in its total, before the trailing window, stays as it was read until somebody asks for it', async () => {
    const it = await subject('Old split');
    const day = await busyDay(it, 10);
    control.restate({ organization: it.organization, day, kind: 'split' });
    await passDays(it.id, 1);
    expect(await restatements(it.id)).toEqual([]);
    await syncNow(it, { from: day, to: day });
    await isExact(it);
    await expectRestated(it, [{ report: 'cost', day, before: truth(it.organization, 'cost', day), lines: [0, 0, 2] }]);
  });

  it('in its lines but not in its total, on the oldest day of the trailing window, is found by a second sync on that day, too', async () => {
    const it = await subject('Trailing');
    const day = addDays(await workflowDay(), -3);
    control.restate({ organization: it.organization, day, kind: 'fill' });
    await syncNow(it);
    const [stored] = await listStoredDays(db, it.id, { from: day, to: day });
    expect(stored?.state).toBe('final');
    control.restate({ organization: it.organization, day, kind: 'split' });
    const n = await syncNow(it);
    await isExact(it);
    const total = truth(it.organization, 'cost', day);
    expect((await restatements(it.id)).at(-1)).toMatchObject({ day, before: total, after: total, sync: n });
  });

  it('twice on following days is restated twice, each time from its previous total to its new one', async () => {
    const it = await subject('Twice');
    const { id, organization } = it;
    const day = await busyDay(it, 8);
    const totals = [truth(organization, 'cost', day)];
    for (const factor of ['1.1', '0.9']) {
      control.restate({ organization, day, kind: 'scale', factor });
      totals.push(truth(organization, 'cost', day));
      await passDays(id, 1);
      await isExact(it);
    }
    await passDays(id, 1);
    expect((await restatements(id)).map(({ before, after, sync }) => [before, after, sync])).toEqual([
      [totals[0], totals[1], 2],
      [totals[1], totals[2], 3],
    ]);
  });

  it('and back between two syncs is no restatement', async () => {
    const it = await subject('There and back');
    const day = await busyDay(it, 8);
    control.restate({ organization: it.organization, day, kind: 'add', amount: '5' });
    control.restate({ organization: it.organization, day, kind: 'add', amount: '-5' });
    await passDays(it.id, 1);
    // The two rows are there, and their sum is nothing: the total is as it was, so that nothing is found.
    expect(await restatements(it.id)).toEqual([]);
    await syncNow(it, { from: day, to: day });
    await isExact(it);
  });
});

describe('today', () => {
  it('grows, which is no restatement, and is complete the day after', async () => {
    const it = await subject('Growth');
    const { id, organization } = it;
    const today = await workflowDay();
    const before = truth(organization, 'cost', today);
    await passHours(6);
    await syncNow(it);
    await isExact(it);
    const [stored] = await listStoredDays(db, id, { from: today, to: today });
    expect(stored).toMatchObject({ state: 'provisional', reconciled: true, total: truth(organization, 'cost', today) });
    expect(stored?.total === before).toBe(linesOf(organization, 'cost', today) === 0);
    await passDays(id, 1);
    await isExact(it);
    expect(await restatements(id)).toEqual([]);
  });

  it('is provisional, as the trailing days are, and final once it has settled', async () => {
    const it = await subject('Settling');
    const today = await workflowDay();
    const states = async (): Promise<unknown> =>
      (await listStoredDays(db, it.id, { from: addDays(today, -4), to: today }))
        .filter(({ report }) => report === 'cost')
        .map((day) => day.state);
    expect(await states()).toEqual(['final', 'final', 'provisional', 'provisional', 'provisional']);
    await passDays(it.id, 3);
    expect(await states()).toEqual(['final', 'final', 'final', 'final', 'final']);
    await isExact(it);
  });
});

describe('a day that moves while it is read', () => {
  /** Its totals are read first, then its lines; the first query for lines that follows `after` others reads them. */
  const moving = (it: Subject, day: Day, grouped: boolean, after = 0): void => {
    const restatement = { organization: it.organization, day, kind: 'add' } as const;
    control.fault({ kind: 'moving_day', key: it.key, report: 'cost', grouped, after, restatement });
  };

  it('between its totals and its lines is stored as it became', async () => {
    const it = await subject('Moves once');
    const day = await busyDay(it, 2);
    const before = truth(it.organization, 'cost', day);
    moving(it, day, false);
    await syncNow(it);
    await isExact(it);
    await expectRestated(it, [{ report: 'cost', day, before, lines: [1, 0, 0] }]);
  });

  it('after its lines is found at the next sync', async () => {
    const it = await subject('Moves after');
    const day = await busyDay(it, 2);
    const before = truth(it.organization, 'cost', day);
    moving(it, day, true);
    await syncNow(it);
    expect(await restatements(it.id)).toEqual([]);
    await passDays(it.id, 1);
    await isExact(it);
    await expectRestated(it, [{ report: 'cost', day, before, lines: [1, 0, 0] }]);
  });

  it('before and after its lines, once it was complete, is read once more at once, and restated once', async () => {
    const it = await subject('Moves twice');
    const day = await busyDay(it, 2);
    const before = truth(it.organization, 'cost', day);
    moving(it, day, false);
    moving(it, day, true);
    await syncNow(it);
    await isExact(it);
    expect(await eventsOf(db, it.id, 'day_flagged')).toEqual([]);
    await expectRestated(it, [{ report: 'cost', day, before, lines: [2, 0, 0] }]);
  });

  it('before and after its lines, read for the first time, stays provisional without a flag, and is exact at the next sync', async () => {
    const { organization, key } = organizationOf('Moves twice at first');
    const today = await workflowDay();
    const made: Subject = { organization, key, id: '', began: addDays(today, -30) };
    const day = await busyDay(made, 6);
    moving(made, day, false);
    // The first day of all is read alone.
    moving(made, day, true, 1);
    const it: Subject = { ...made, id: await world.connect({ key, backfillDays: 31, today }) };
    await becomes(it.id, 'active');
    expect(await state(it.id)).toMatchObject({ flagged: 0, unreconciled: 1 });
    const [stored] = await listStoredDays(db, it.id, { from: day, to: day });
    expect(stored).toMatchObject({ state: 'provisional', reconciled: false, disagreesWith: null });
    expect(await eventsOf(db, it.id, 'day_flagged')).toEqual([]);
    await passDays(it.id, 1);
    await isExact(it);
    expect(await restatements(it.id)).toHaveLength(1);
  });

  it('for the first time, in the backfill, is no restatement', async () => {
    const { organization, key } = organizationOf('Moves first');
    const today = await workflowDay();
    const it: Subject = { organization, key, id: '', began: addDays(today, -30) };
    moving(it, await busyDay(it, 6), false);
    const id = await world.connect({ key, backfillDays: 31, today });
    await becomes(id, 'active');
    await isExact({ ...it, id });
    expect(await restatements(id)).toEqual([]);
  });
});

describe('a day with lines that do not add up to its total', () => {
  it('once, when it is read first, is read again at once, and not flagged', async () => {
    const { organization, key } = organizationOf('Lost once');
    const today = await workflowDay();
    control.fault({ kind: 'lost_line', key, report: 'cost', grouped: true });
    const id = await world.connect({ key, backfillDays: 31, today });
    await becomes(id, 'active');
    await isExact({ id, organization, key, began: addDays(today, -30) });
    expect(await eventsOf(db, id, 'day_flagged')).toEqual([]);
    expect(await restatements(id)).toEqual([]);
  });

  it('once, after it was read complete, is no restatement', async () => {
    const it = await subject('Lost later');
    control.fault({ kind: 'lost_line', key: it.key, report: 'cost', grouped: true });
    await syncNow(it);
    await record(world.client, 'sync-suspect', syncWorkflowId(it.id, 2));
    await isExact(it);
    expect(await eventsOf(db, it.id, 'day_flagged')).toEqual([]);
    expect(await restatements(it.id)).toEqual([]);
  });

  it('because its lines are left out once, after it was read complete, is never stored as empty', async () => {
    const it = await subject('Left out');
    const day = addDays(await workflowDay(), -3);
    const { organization } = it;
    // So that the day on which the reply to the sync begins has lines.
    control.restate({ organization, day, kind: 'add' });
    await syncNow(it);
    control.fault({ kind: 'missing_bucket', key: it.key, report: 'cost', grouped: true });
    control.fault({ kind: 'hold', key: it.key, report: 'cost', grouped: false, after: 1 });
    await world.signal(it.id, 'syncNow');
    await until('the totals to be read again', () => control.faults().every(({ fired }) => fired > 0));
    const [stored] = await listStoredDays(db, it.id, { from: day, to: day });
    control.clearFaults();
    await settles(it.id);
    expect(stored?.lines).toBe(linesOf(organization, 'cost', day));
  });

  it('twice is flagged, shows its flag in coverage, and clears by itself', async () => {
    const { organization, key } = organizationOf('Flagged');
    const today = await workflowDay();
    control.fault({ kind: 'lost_line', key, report: 'cost', grouped: true, times: 'always' });
    const id = await world.connect({ key, backfillDays: 31, today });
    await becomes(id, 'active');
    await record(world.client, 'sync-flagged-at-first', syncWorkflowId(id, 1));
    const flagged = (await listStoredDays(db, id, { from: addDays(today, -30), to: today })).filter(
      ({ disagreesWith }) => disagreesWith !== null,
    );
    expect(flagged).toHaveLength(1);
    const [day] = flagged;
    if (day === undefined) throw new Error('no flagged day');
    expect(day).toMatchObject({ report: 'cost', state: 'provisional', reconciled: false });
    expect(day.disagreesWith).toBe(truth(organization, 'cost', day.day));
    expect(day.total).not.toBe(day.disagreesWith);
    const told = `The lines of the cost of ${day.day} add up to ${day.total}, but Anthropic twice reported a total of ${day.disagreesWith ?? ''}.`;
    expect(await eventsOf(db, id, 'day_flagged')).toEqual([told]);
    control.clearFaults();
    await passDays(id, 1);
    await isExact({ id, organization, key, began: addDays(today, -30) });
  });
});
