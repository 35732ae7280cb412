import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { recordFailure } from '../../db/connections/failure.ts';
import { setStatus } from '../../db/connections/status.ts';
import type { Db } from '../../db/core/database.ts';
import { acceptKey, restoreKey } from '../../db/keys/activate.ts';
import { addCandidateToLive } from '../../db/keys/candidates.ts';
import { flagDays, reconcileDays } from '../../db/ledger/reconcile.ts';
import { failSync, openSync, succeedSync } from '../../db/ledger/syncs.ts';
import { createChannel } from '../../db/notices/channels.ts';
import { writeNotice } from '../../db/notices/outbox.ts';
import { tellLastingTrouble } from '../../db/notices/trouble.ts';
import { EVERYTHING, type Subscriptions } from '../../domain/notices/subscriptions.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { adminKey } from '../support/admin-key.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import { DAY, RING, TODAY, commitCost, connect, cost, totalsOf } from './support.ts';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
});
afterAll(() => database.close());
beforeEach(() => db.execute(sql`truncate connections, channels, channel_addresses, notices, deliveries cascade`));

const PLAN = { kind: 'daily', from: DAY, to: TODAY, everyDay: false } as const;

async function connected(): Promise<string> {
  const { id } = await connect(db, { organization: randomUUID() });
  await setStatus(db, id, 'active');
  return id;
}

let syncs = 0;
async function succeeds(connectionId: string): Promise<void> {
  syncs += 1;
  const run = { connectionId, n: syncs, runId: 'run' };
  await openSync(db, run, PLAN);
  await succeedSync(db, run, PLAN, Date.now());
}

async function fails(connectionId: string): Promise<void> {
  syncs += 1;
  const run = { connectionId, n: syncs, runId: 'run' };
  await openSync(db, run, PLAN);
  const failure = { code: 'upstream_unavailable' } as const;
  await failSync(db, run, PLAN, { failure, keyId: null, nowMs: Date.now() });
}

async function becomes(connectionId: string, status: Status): Promise<void> {
  expect(await setStatus(db, connectionId, status)).toEqual({ moved: true });
}

/** As if so much time had passed since everything that is stored about trouble. */
async function pass(connectionId: string, minutes: number): Promise<void> {
  const back = sql`make_interval(mins => ${minutes})`;
  await db.execute(sql`update connections set troubled_at = troubled_at - ${back} where id = ${connectionId}`);
  await db.execute(
    sql`update notices set opened_at = opened_at - ${back}, closed_at = closed_at - ${back} where connection_id = ${connectionId}`,
  );
}

function noticesOf(connectionId: string): Promise<{ kind: string; open: boolean; data: Record<string, unknown> }[]> {
  return rows(
    db,
    sql`select kind, closed_at is null as open, data from notices where connection_id = ${connectionId} order by no`,
  );
}

async function kindsOf(connectionId: string): Promise<string[]> {
  return (await noticesOf(connectionId)).map(({ kind }) => kind);
}

function channel(name: string, to: readonly string[], subscriptions: Partial<Subscriptions> = {}): Promise<string> {
  const all = { ...EVERYTHING, ...subscriptions };
  return createChannel(db, RING, { name, target: { kind: 'email', to }, subscriptions: all, actor: 'test' });
}

function pagerduty(): Promise<string> {
  const target = { kind: 'pagerduty', routingKey: 'a'.repeat(32), region: 'us' } as const;
  return createChannel(db, RING, { name: 'Pager', target, subscriptions: EVERYTHING, actor: 'test' });
}

describe('a notice', () => {
  const notice = { kind: 'test', connectionId: null, data: { channel: 'Mail', asked_by: 'Ada' } } as const;

  it('is there without any channel, and is told to nobody', async () => {
    expect(await writeNotice(db, { ...notice, dedupeKey: 'test:nobody' })).not.toBeNull();
    expect(await rows(db, sql`select 1 from deliveries`)).toEqual([]);
  });

  it('that is decided twice is one, also by two processes at once', async () => {
    await channel('Mail', ['a@example.com']);
    const write = (): Promise<string | null> =>
      db.transaction((tx) => writeNotice(tx, { ...notice, dedupeKey: 'test:twice' }));
    const written = await Promise.all([write(), write(), write()]);
    expect(written.filter((id) => id !== null)).toHaveLength(1);
    expect(await rows(db, sql`select state from deliveries`)).toEqual([{ state: 'pending' }]);
  });

  it('whose transaction rolls back is not told', async () => {
    await channel('Mail', ['a@example.com']);
    await db
      .transaction(async (tx) => {
        await writeNotice(tx, { ...notice, dedupeKey: 'test:rolled-back' });
        tx.rollback();
      })
      .catch(() => undefined);
    expect(await rows(db, sql`select 1 from notices`)).toEqual([]);
    expect(await rows(db, sql`select 1 from deliveries`)).toEqual([]);
  });

  it('goes once to an address that two channels have, and to no channel that does not take it', async () => {
    await channel('One', ['a@example.com', 'b@example.com']);
    await channel('Two', ['B@Example.com', 'c@example.com']);
    await channel('Three', ['d@example.com'], { kinds: ['connected'] });
    await writeNotice(db, { ...notice, dedupeKey: 'test:once' });
    const told = await rows<{ address: string }>(db, sql`select address from deliveries order by no`);
    expect(told.map(({ address }) => address)).toEqual(['a@example.com', 'b@example.com', 'c@example.com']);
  });
});

describe('a connection', () => {
  it('is told of with its first numbers after its first good sync, once', async () => {
    const id = await connected();
    await fails(id);
    expect(await kindsOf(id)).toEqual([]);
    await commitCost(db, id, [cost('1.5', { model: 'a' }), cost('0.25', { model: 'b' }), cost('0.0001')]);
    await succeeds(id);
    await succeeds(id);
    const [notice, ...others] = await noticesOf(id);
    expect(others).toEqual([]);
    expect(notice).toMatchObject({
      kind: 'connected',
      open: false,
      data: {
        connection: { id, name: 'Test' },
        from: DAY,
        to: DAY,
        days: 1,
        total: '1.7501',
        by_model: [
          { model: 'a', amount: '1.5' },
          { model: 'b', amount: '0.25' },
          { model: null, amount: '0.0001' },
        ],
      },
    });
  });

  it('in trouble is told of after an hour, and its recovery with the first good sync', async () => {
    const id = await connected();
    await fails(id);
    await becomes(id, 'degraded');
    await pass(id, 59);
    expect(await tellLastingTrouble(db)).toBe(0);
    await pass(id, 1);
    expect(await tellLastingTrouble(db)).toBe(1);
    expect(await tellLastingTrouble(db)).toBe(0);
    expect(await noticesOf(id)).toMatchObject([
      { kind: 'connection_trouble', open: true, data: { status: 'degraded', error: { code: 'upstream_unavailable' } } },
    ]);
    await succeeds(id);
    await succeeds(id);
    expect(await noticesOf(id)).toMatchObject([
      { kind: 'connection_trouble', open: false },
      { kind: 'connection_recovered', open: false },
    ]);
  });

  it('that awaits a key is told of at once, in the transaction that says so', async () => {
    const id = await connected();
    await recordFailure(db, id, { failure: { code: 'key_invalid' }, keyId: null, nowMs: Date.now() });
    await becomes(id, 'awaiting_key');
    expect(await noticesOf(id)).toMatchObject([{ data: { status: 'awaiting_key', error: { code: 'key_invalid' } } }]);
  });

  it('that flaps ten times is told of once, and its recovery once', async () => {
    const id = await connected();
    for (let times = 1; times <= 10; times += 1) {
      await fails(id);
      await becomes(id, 'degraded');
      await pass(id, 61);
      await tellLastingTrouble(db);
      await recordFailure(db, id, { failure: { code: 'key_invalid' }, keyId: null, nowMs: Date.now() });
      await becomes(id, 'awaiting_key');
      await succeeds(id);
      await becomes(id, 'active');
    }
    expect(await kindsOf(id)).toEqual(['connection_trouble', 'connection_recovered']);
  });

  it('that flaps within the hour is not told of at all', async () => {
    const id = await connected();
    for (let times = 1; times <= 10; times += 1) {
      await fails(id);
      await becomes(id, 'degraded');
      await pass(id, 59);
      await tellLastingTrouble(db);
      await succeeds(id);
      await becomes(id, 'active');
    }
    expect(await kindsOf(id)).toEqual([]);
  });

  it('whose trouble nobody was told of because of an earlier one is told of once a day has passed', async () => {
    const id = await connected();
    await fails(id);
    await becomes(id, 'awaiting_key');
    await succeeds(id);
    await becomes(id, 'active');
    await fails(id);
    await becomes(id, 'awaiting_key');
    expect(await tellLastingTrouble(db)).toBe(0);
    await pass(id, 24 * 60);
    expect(await tellLastingTrouble(db)).toBe(1);
    await pass(id, 24 * 60);
    expect(await tellLastingTrouble(db)).toBe(0);
  });

  it('in trouble for a day that comes to await a key is told of again', async () => {
    const id = await connected();
    await fails(id);
    await becomes(id, 'degraded');
    await pass(id, 60);
    await tellLastingTrouble(db);
    await pass(id, 24 * 60);
    expect(await tellLastingTrouble(db)).toBe(0);
    await becomes(id, 'awaiting_key');
    await succeeds(id);
    expect(await kindsOf(id)).toEqual(['connection_trouble', 'connection_trouble', 'connection_recovered']);
    expect((await noticesOf(id)).some(({ open }) => open)).toBe(false);
  });

  it('whose sync just succeeded is not told of before its workflow has set the status', async () => {
    const id = await connected();
    await fails(id);
    await becomes(id, 'degraded');
    await pass(id, 60);
    await succeeds(id);
    expect(await tellLastingTrouble(db)).toBe(0);
  });

  it('that somebody paused and resumed is in trouble for an hour anew', async () => {
    const id = await connected();
    await fails(id);
    await becomes(id, 'degraded');
    await pass(id, 60);
    await becomes(id, 'paused');
    expect(await tellLastingTrouble(db)).toBe(0);
    await becomes(id, 'degraded');
    expect(await tellLastingTrouble(db)).toBe(0);
    await pass(id, 60);
    expect(await tellLastingTrouble(db)).toBe(1);
  });

  it('in trouble that many processes look at is told of once', async () => {
    const id = await connected();
    await fails(id);
    await becomes(id, 'degraded');
    await pass(id, 60);
    const told = await Promise.all([1, 2, 3, 4].map(() => tellLastingTrouble(db)));
    expect(told.reduce((sum, one) => sum + one)).toBe(1);
    expect(await kindsOf(id)).toEqual(['connection_trouble']);
  });

  it('that ends in trouble closes its notice, and the incident in PagerDuty', async () => {
    await channel('Mail', ['a@example.com']);
    await pagerduty();
    const id = await connected();
    await fails(id);
    await becomes(id, 'awaiting_key');
    await disconnect(db, id, false);
    expect(await noticesOf(id)).toMatchObject([{ open: false }]);
    const told = await rows(
      db,
      sql`
      select c.kind, d.occasion from deliveries d join channels c on c.id = d.channel_id order by d.no
    `,
    );
    expect(told).toEqual([
      { kind: 'email', occasion: 'opened' },
      { kind: 'pagerduty', occasion: 'opened' },
      { kind: 'pagerduty', occasion: 'closed' },
    ]);
  });

  it('whose key is replaced is told of with the hint of the new one; a first key is no rotation', async () => {
    const organization = randomUUID();
    const { id } = await connect(db, { organization });
    expect(await kindsOf(id)).toEqual([]);
    const key = { connectionId: id, adminKey: adminKey(`sk-ant-admin01-${'x'.repeat(60)}abcd`), requested: true };
    const added = await addCandidateToLive(db, RING, { ...key, actor: 'test' });
    const accept = (): ReturnType<typeof acceptKey> =>
      acceptKey(db, { connectionId: id, keyId: added?.keyId ?? '' }, { id: organization, name: 'The one' });
    await accept();
    await accept();
    expect(await noticesOf(id)).toMatchObject([{ kind: 'key_rotated', open: false, data: { hint: 'abcd' } }]);
  });

  it('whose new key gives way to the one before is told so, once, by taking the notice of the new key back', async () => {
    const organization = randomUUID();
    const { id } = await connect(db, { organization });
    await channel('Mail', ['a@example.com']);
    const key = { connectionId: id, adminKey: adminKey(`sk-ant-admin01-${'y'.repeat(60)}wxyz`), requested: true };
    const added = await addCandidateToLive(db, RING, { ...key, actor: 'test' });
    const keyId = added?.keyId ?? '';
    await acceptKey(db, { connectionId: id, keyId }, { id: organization, name: 'The one' });
    await restoreKey(db, id, keyId, 'key_invalid');
    await restoreKey(db, id, keyId, 'key_invalid');
    const told = await rows<{ occasion: string; reason: string | null }>(
      db,
      sql`
        select d.occasion, n.withdrawn_reason as reason
        from deliveries d join notices n on n.id = d.notice_id
        where n.connection_id = ${id} order by d.no
      `,
    );
    const reason = expect.stringMatching(
      /^Key …wxyz was rejected before its first success; key ….{4} serves again\.$/,
    ) as string;
    expect(told).toEqual([
      { occasion: 'opened', reason },
      { occasion: 'withdrawn', reason },
    ]);
  });
});

describe('what a sync found', () => {
  it('corrections of a dollar and a percent are told together, once, and smaller ones are not', async () => {
    const id = await connected();
    const days = [DAY, '2026-11-11', '2026-11-12'] as const;
    for (const day of days) await commitCost(db, id, [cost('100')], { day });
    await succeeds(id);
    await commitCost(db, id, [cost('103')], { day: days[0] });
    await commitCost(db, id, [cost('100.5')], { day: days[1] });
    await commitCost(db, id, [cost('90.25')], { day: days[2] });
    await fails(id);
    await succeeds(id);
    const restated = (await noticesOf(id)).filter(({ kind }) => kind === 'restated');
    expect(restated).toMatchObject([
      {
        open: false,
        data: {
          days: [
            { day: days[0], before: '100', after: '103' },
            { day: days[2], before: '100', after: '90.25' },
          ],
        },
      },
    ]);
  });

  it('days that do not add up are told once, and close when all of them do', async () => {
    const id = await connected();
    await commitCost(db, id, [cost('100')], { day: DAY });
    const compared = { connectionId: id, report: 'cost' } as const;
    const flag = (): Promise<void> => flagDays(db, { ...compared, days: [DAY], totals: totalsOf({ [DAY]: '101' }) });
    await flag();
    await succeeds(id);
    await flag();
    await succeeds(id);
    const flagged = async (): Promise<unknown[]> => (await noticesOf(id)).filter(({ kind }) => kind === 'day_flagged');
    expect(await flagged()).toMatchObject([
      { open: true, data: { days: [{ report: 'cost', day: DAY, sum_of_lines: '100', reported_total: '101' }] } },
    ]);
    const window = { from: DAY, to: DAY };
    await reconcileDays(db, { ...compared, window, totals: totalsOf({ [DAY]: '100' }), restatementDays: 3 });
    await succeeds(id);
    expect(await flagged()).toMatchObject([{ open: false }]);
    await flag();
    await succeeds(id);
    expect(await flagged()).toMatchObject([{ open: false }, { open: true }]);
  });

  it('goes with a purge', async () => {
    const id = await connected();
    await commitCost(db, id, [cost('100')]);
    await succeeds(id);
    await commitCost(db, id, [cost('200')]);
    await fails(id);
    await becomes(id, 'awaiting_key');
    expect(await kindsOf(id)).toEqual(['connected', 'restated', 'connection_trouble']);
    await disconnect(db, id, true);
    expect(await kindsOf(id)).toEqual(['connection_trouble']);
  });
});
