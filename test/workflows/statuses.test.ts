import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { addDays, type Day } from '../../domain/days.ts';
import { FAILURES } from '../../domain/failures.ts';
import { backoffMs, nextDueMs } from '../../domain/connection/schedule.ts';
import { LIVE_STATUSES, TRANSITIONS, type Status } from '../../domain/connection/statuses.ts';
import { SYNC_WORKFLOW, connectionWorkflowId, syncWorkflowId } from '../../workflows/messages.ts';
import type { SyncInput } from '../../workflows/sync.ts';
import { skippingWorld } from '../support/skipping.ts';
import { eventsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { row, rows } from '../support/rows.ts';

const { world, state, keys, syncs, shown, becomes, awaitsKey, settles, comes, isReading, connected, ...skipping } =
  await skippingWorld();
const { organizationOf, workflowDay, passHours, expectExact } = skipping;
const { control } = world.simulator;
const { db } = world.database;

const LIVE = ['validating', 'discovering', 'backfilling', 'active', 'degraded', 'awaiting_key', 'paused'] as const;
type LiveStatus = (typeof LIVE)[number];

/** A connection in a status. */
interface Standing {
  readonly id: string;
  readonly key: string;
  readonly organization: string;
}

/** A new connection whose first request meets a fault. */
async function connecting(name: string, fault: Parameters<typeof control.fault>[0]): Promise<Standing> {
  const { organization, key } = organizationOf(name);
  control.fault({ ...fault, key });
  const id = await world.connect({ key, name, backfillDays: 5, today: await workflowDay() });
  return { id, key, organization };
}

async function isHeld(): Promise<void> {
  await until('a reply to be held', () => control.faults().some(({ fired }) => fired > 0));
}

/** Brings a connection into each live status, by what an operator or Anthropic does. */
const ARRANGE: Readonly<Record<LiveStatus, (name: string) => Promise<Standing>>> = {
  async validating(name) {
    const made = await connecting(name, { kind: 'status', status: 503, times: 'always' });
    await comes('a try without an answer', async () => (await keys(made.id))[0]?.failure === 'upstream_unavailable');
    await settles(made.id);
    return made;
  },
  async discovering(name) {
    const made = await connecting(name, { kind: 'hold', report: 'workspaces' });
    await isHeld();
    return made;
  },
  async backfilling(name) {
    const made = await connecting(name, { kind: 'hold', report: 'cost', grouped: true });
    await isHeld();
    await isReading(made.id);
    return made;
  },
  async active(name) {
    const made = await connected(name);
    await settles(made.id);
    return made;
  },
  async degraded(name) {
    const made = await connected(name);
    control.fault({ kind: 'status', status: 529, report: 'cost', key: made.key, times: 'always' });
    await world.signal(made.id, 'syncNow');
    await comes('degraded', async () => (await state(made.id)).status === 'degraded');
    await settles(made.id);
    return made;
  },
  async awaiting_key(name) {
    const made = await connected(name);
    control.setKeyState(made.key, 'revoked');
    await world.signal(made.id, 'syncNow');
    await awaitsKey(made.id);
    await settles(made.id);
    return made;
  },
  async paused(name) {
    const made = await connected(name);
    await world.signal(made.id, 'pause');
    await becomes(made.id, 'paused');
    await settles(made.id);
    return made;
  },
};

/** The statuses that a connection had, in their order. */
async function pathOf(id: string): Promise<string[]> {
  const told = await eventsOf(db, id, 'status');
  return ['validating', ...told.map((message) => /^The connection is (\w+)/.exec(message)?.[1] ?? message)];
}

async function endOf(id: string): Promise<string> {
  return (await world.client.workflow.getHandle(connectionWorkflowId(id)).describe()).status.name;
}

async function isActiveAndExact({ id, organization }: Standing, days = 5): Promise<void> {
  await comes('active', async () => (await state(id)).status === 'active');
  await becomes(id, 'active');
  await settles(id);
  const today = await workflowDay();
  await expectExact(id, organization, addDays(today, 1 - days), today);
}

async function rotate({ id, organization }: Standing): Promise<string> {
  const { key } = control.addKey({ organization });
  await world.signal(id, 'rotateKey', { keyId: await world.stage(id, key) });
  return key;
}

async function failureOf(id: string): Promise<{ atMs: number; count: number }> {
  const { at, count } = await row<{ at: string; count: number }>(
    db,
    sql`select failed_at as at, failure_count as count from connections where id = ${id}`,
  );
  return { atMs: Date.parse(at), count };
}

describe('what the API shows of a connection that is', () => {
  it('validating while Anthropic is down: why, and when the key is tried again', async () => {
    const { id } = await ARRANGE.validating('Shown validating');
    const { status, error, next_sync_at, key, organization } = await shown(id);
    expect([status, error?.code, organization]).toEqual(['validating', 'upstream_unavailable', null]);
    const { at, tries } = await row<{ at: string; tries: number }>(
      db,
      sql`select tried_at as at, tries from keys where id = ${key?.id ?? ''}`,
    );
    expect(Date.parse(next_sync_at ?? '')).toBe(Date.parse(at) + backoffMs(tries));
  });

  it.each(['discovering', 'backfilling'] as const)('%s: nothing wrong', async (status) => {
    const { id } = await ARRANGE[status](`Shown ${status}`);
    const document = await shown(id);
    expect(document).toMatchObject({ status, error: null });
    expect(document.last_sync?.state).toBe(status === 'backfilling' ? 'running' : undefined);
  });

  it('active: nothing wrong, and its next daily sync', async () => {
    const { id } = await ARRANGE.active('Shown active');
    const { error, next_sync_at } = await shown(id);
    expect(error).toBeNull();
    const nextMs = Date.parse(next_sync_at ?? '');
    expect(nextMs).toBe(nextDueMs(id, 6, await world.now()));
    const before = (await syncs(id)).length;
    await passHours((nextMs - (await world.now())) / 3_600_000 - 0.05);
    expect(await syncs(id)).toHaveLength(before);
    await passHours(0.1);
    await until('the daily sync', async () => (await syncs(id)).length === before + 1);
  });

  it('degraded: why, what to do, and when it reads again, which it does', async () => {
    const { id } = await ARRANGE.degraded('Shown degraded');
    // Far into an outage the next wait is an hour, so a slow machine cannot miss it.
    await db.execute(sql`update connections set failure_count = 40 where id = ${id}`);
    await world.signal(id, 'syncNow');
    await comes('a failure more', async () => (await failureOf(id)).count === 41);
    await settles(id);
    const { error, next_sync_at, status } = await shown(id);
    const { message, action } = FAILURES['upstream_unavailable'];
    expect(status).toBe('degraded');
    expect(error).toMatchObject({ code: 'upstream_unavailable', message, action });
    const nextMs = Date.parse(next_sync_at ?? '');
    expect(nextMs).toBe((await failureOf(id)).atMs + 3_600_000);
    const before = (await syncs(id)).length;
    await world.pass(`${nextMs - (await world.now()) - 60_000} ms`);
    await settles(id);
    expect(await syncs(id)).toHaveLength(before);
    await world.pass('2 minutes');
    await until('the next try', async () => (await syncs(id)).length > before);
  });

  it('degraded by one rejection: that Anthropic is asked about the key again before it counts, and when', async () => {
    const { id, key } = await ARRANGE.active('Shown unconfirmed');
    control.setKeyState(key, 'revoked');
    await world.signal(id, 'syncNow');
    await becomes(id, 'degraded');
    await settles(id);
    const { error, next_sync_at } = await shown(id);
    expect(error).toMatchObject({ code: 'key_invalid' });
    expect(error?.detail).toContain('Meterline asks Anthropic about the key once more before this counts');
    expect(Date.parse(next_sync_at ?? '')).toBe((await failureOf(id)).atMs + 30_000);
  });

  it('awaiting a key: why, what to do, and the next probe, after 1, 5 and 30 minutes, 2 hours, then daily', async () => {
    const { id, key } = await ARRANGE.awaiting_key('Shown awaiting');
    const probes = (): number => control.conduct().last.filter((entry) => entry.key === key.slice(-4)).length;
    const { error, status } = await shown(id);
    expect(status).toBe('awaiting_key');
    const { message, action } = FAILURES['key_invalid'];
    expect(error).toMatchObject({ code: 'key_invalid', message, action });
    const { at } = await row<{ at: string }>(db, sql`select rejected_at as at from connections where id = ${id}`);
    for (const minutes of [1, 5, 30, 120, 120 + 24 * 60]) {
      const nextMs = Date.parse((await shown(id)).next_sync_at ?? '');
      // The daily probes count from the last answer, which came some seconds after its probe was due.
      expect(Math.round((nextMs - Date.parse(at)) / 60_000)).toBe(minutes);
      const before = probes();
      const leftMs = nextMs - (await world.now());
      if (leftMs > 20_000) await passHours((leftMs - 20_000) / 3_600_000);
      await settles(id);
      expect(probes()).toBe(before);
      await passHours(21_000 / 3_600_000);
      await until('the probe', () => probes() === before + 1);
      await settles(id);
    }
  });

  it('paused: nothing wrong, and nothing to come', async () => {
    const { id } = await ARRANGE.paused('Shown paused');
    expect(await shown(id)).toMatchObject({ status: 'paused', error: null, next_sync_at: null });
  });

  it('refused: why, and nothing to come', async () => {
    const { key } = organizationOf('Shown refused');
    control.setKeyState(key, 'forbidden');
    const id = await world.connect({ key, today: await workflowDay() });
    await becomes(id, 'refused');
    const { message, action } = FAILURES['key_forbidden'];
    expect(await shown(id)).toMatchObject({
      status: 'refused',
      error: { code: 'key_forbidden', message, action },
      next_sync_at: null,
      key: null,
      organization: null,
    });
  });
});

describe('disconnect', () => {
  const ways = LIVE.flatMap((status): [LiveStatus, boolean][] => [
    [status, false],
    [status, true],
  ]);

  it('is tested in every live status', () => {
    expect([...LIVE].sort()).toEqual([...LIVE_STATUSES].sort());
  });

  it.each(ways)('ends a connection that is %s (purge: %s), for good', async (status, purge) => {
    const { id } = await ARRANGE[status](`Ends ${status} ${purge}`);
    const { days } = await state(id);
    await world.signal(id, 'disconnect', { purge });
    // A discovery must get its answer first. A sync is cancelled even in the middle of a reply.
    if (status === 'discovering') control.clearFaults();
    await becomes(id, 'disconnected');
    await comes('the workflow to end', async () => (await endOf(id)) === 'COMPLETED');
    expect((await pathOf(id)).slice(-2)).toEqual([
      status === 'discovering' ? expect.any(String) : status,
      'disconnected',
    ]);
    expect((await keys(id)).map(({ sealed, state: s }) => [sealed, s])).toEqual([[false, 'destroyed']]);
    expect((await state(id)).days).toBe(purge ? 0 : days);
    expect(await syncs(id)).toHaveLength(purge ? 0 : (await syncs(id)).length);
    expect((await syncs(id)).some((sync) => sync.state === 'running')).toBe(false);
    expect(await shown(id)).toMatchObject({ status: 'disconnected', error: null, next_sync_at: null, key: null });
  });
});

describe('a discovery that fails', () => {
  it.each([
    ['pause', 'paused'],
    ['disconnect', 'disconnected'],
  ] as const)('leaves the connection where a %s finds it', async (signal, then) => {
    const { id, key } = await connecting(`Fails before ${signal}`, { kind: 'hold', report: 'organization' });
    await isHeld();
    // Anthropic accepts the key at its first request, and rejects it at the next.
    control.setKeyState(key, 'revoked');
    control.clearFaults();
    control.fault({ kind: 'hold', report: 'workspaces', key });
    await isHeld();
    await world.signal(id, signal);
    control.clearFaults();
    await becomes(id, then);
    expect(await pathOf(id)).toEqual(['validating', 'discovering', then]);
  });
});

describe('pause', () => {
  it.each([
    ['validating', 'validating'],
    // The held reply is answered before the pause, so discovery is done by then.
    ['discovering', 'backfilling'],
    ['backfilling', 'active'],
    ['active', 'active'],
    ['degraded', 'degraded'],
    ['awaiting_key', 'awaiting_key'],
  ] as const)('of a connection that is %s asks Anthropic nothing, and resume leads to %s', async (status, then) => {
    const made = await ARRANGE[status](`Pauses ${status}`);
    const { id } = made;
    const { error } = await shown(id);
    await world.signal(id, 'pause');
    if (status === 'discovering') control.clearFaults();
    await until('paused', async () => (await state(id)).status === 'paused');
    // A running sync goes on to its end.
    if (status === 'backfilling') control.clearFaults();
    await becomes(id, 'paused');
    await settles(id);
    const asked = control.requests().total;
    await passHours(50);
    expect(control.requests().total).toBe(asked);
    const paused = await shown(id);
    expect(paused).toMatchObject({ status: 'paused', next_sync_at: null });
    // Nothing is tried during a pause, so a first key without an answer is no error either.
    expect(paused.error).toEqual(status === 'validating' ? null : error);
    await world.signal(id, 'resume');
    await until('resumed', async () => (await pathOf(id)).at(-1) !== 'paused');
    const path = await pathOf(id);
    expect(path.slice(path.indexOf('paused'), path.indexOf('paused') + 2)).toEqual(['paused', then]);
    control.clearFaults();
    if (status === 'awaiting_key') await rotate(made);
    await isActiveAndExact(made, 7);
  });

  it('of a connection without a verdict on its first key leaves rotation possible, and resume goes on from there', async () => {
    const made = await ARRANGE.validating('Paused, then accepted');
    await world.signal(made.id, 'pause');
    await becomes(made.id, 'paused');
    await rotate(made);
    await until('a key to serve', async () => (await keys(made.id)).some(({ state: s }) => s === 'active'));
    expect((await state(made.id)).status).toBe('paused');
    await world.signal(made.id, 'resume');
    await isActiveAndExact(made);
    expect(await pathOf(made.id)).toEqual(['validating', 'paused', 'discovering', 'backfilling', 'active']);
  });

  it('and resume at the wrong time change nothing and say so', async () => {
    const { id } = await ARRANGE.active('Wrong time');
    await world.signal(id, 'resume');
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    await world.signal(id, 'pause');
    await until('two events', async () => (await eventsOf(db, id, 'signal')).length === 2);
    expect(await eventsOf(db, id, 'signal')).toEqual([
      'resume: it is not paused, so nothing changed',
      'pause: it is paused already',
    ]);
  });
});

describe('a connection', () => {
  it('is degraded while its workspaces cannot be read, and backfills once they can', async () => {
    const made = await connecting('Discovery down', {
      kind: 'status',
      status: 503,
      report: 'workspaces',
      times: 'always',
    });
    await comes('degraded', async () => (await state(made.id)).status === 'degraded');
    expect(await shown(made.id)).toMatchObject({ error: { code: 'upstream_unavailable' } });
    control.clearFaults();
    await isActiveAndExact(made);
    expect(await pathOf(made.id)).toEqual(['validating', 'discovering', 'degraded', 'backfilling', 'active']);
  });

  it('awaits another key if its key is rejected before its workspaces are read, and reads them with that', async () => {
    // Anthropic accepts the key at its first request, and rejects it from the second on.
    const made = await connecting('Discovery rejected', { kind: 'unauthorized', after: 1, times: 'always' });
    await awaitsKey(made.id);
    expect(await shown(made.id)).toMatchObject({ error: { code: 'key_invalid' } });
    await rotate(made);
    await isActiveAndExact(made);
    expect(await pathOf(made.id)).toEqual([
      'validating',
      'discovering',
      'degraded',
      'awaiting_key',
      'discovering',
      'backfilling',
      'active',
    ]);
  });

  it('is degraded while a candidate has no verdict, if its key is rejected before its workspaces are read', async () => {
    const made = await connecting('Discovery with two', { kind: 'hold', report: 'workspaces' });
    await isHeld();
    const { key } = control.addKey({ organization: made.organization });
    control.fault({ kind: 'status', status: 503, key, times: 'always' });
    control.fault({ kind: 'unauthorized', key: made.key, times: 'always' });
    await world.signal(made.id, 'rotateKey', { keyId: await world.stage(made.id, key) });
    // The held reply succeeds, so the record of reading workspaces is deleted by hand.
    control.clearFaults();
    control.fault({ kind: 'status', status: 503, key, times: 'always' });
    control.fault({ kind: 'unauthorized', key: made.key, times: 'always' });
    await comes('degraded', async () => (await state(made.id)).status === 'degraded');
    await settles(made.id);
    await db.execute(sql`update connections set discovered_at = null where id = ${made.id}`);
    control.clearFaults();
    await isActiveAndExact(made);
    expect((await pathOf(made.id)).slice(-4)).toEqual(['degraded', 'discovering', 'backfilling', 'active']);
  });

  it('is degraded if its backfill fails, and continues the backfill', async () => {
    const made = await connecting('Backfill down', { kind: 'status', status: 529, report: 'cost', times: 'always' });
    await comes('degraded', async () => (await state(made.id)).status === 'degraded');
    control.clearFaults();
    await isActiveAndExact(made);
    expect(await pathOf(made.id)).toEqual(['validating', 'discovering', 'backfilling', 'degraded', 'active']);
  });

  it('awaits another key if its key is rejected in the backfill, and continues the backfill', async () => {
    const made = await connecting('Backfill rejected', { kind: 'unauthorized', after: 2, times: 'always' });
    await awaitsKey(made.id);
    await rotate(made);
    await isActiveAndExact(made);
    expect((await pathOf(made.id)).slice(2)).toEqual([
      'backfilling',
      'degraded',
      'awaiting_key',
      'backfilling',
      'active',
    ]);
  });

  it.each([
    ['discovering', { kind: 'hold', report: 'organization' }],
    ['backfilling', { kind: 'hold', report: 'workspaces' }],
    ['active', null],
  ] as const)(
    'that is %s and whose key cannot be opened awaits one at once, until it can be',
    async (status, failure) => {
      const name = `Unreadable ${status}`;
      const made = failure === null ? await ARRANGE.active(name) : await connecting(name, failure);
      if (failure !== null) await isHeld();
      await db.execute(sql`update keys set encryption_key_id = 'gone' where connection_id = ${made.id}`);
      if (failure === null) await world.signal(made.id, 'syncNow');
      control.clearFaults();
      await becomes(made.id, 'awaiting_key');
      expect((await pathOf(made.id)).slice(-2)).toEqual([status, 'awaiting_key']);
      expect(await shown(made.id)).toMatchObject({ error: { code: 'key_unreadable' } });
      await db.execute(sql`update keys set encryption_key_id = 'test' where connection_id = ${made.id}`);
      await isActiveAndExact(made);
    },
  );

  it('that is degraded when its key is rejected awaits another key', async () => {
    const made = await ARRANGE.degraded('Degraded, then rejected');
    control.clearFaults();
    control.setKeyState(made.key, 'revoked');
    await comes('a key to be awaited', async () => (await state(made.id)).status === 'awaiting_key');
    expect((await pathOf(made.id)).slice(-2)).toEqual(['degraded', 'awaiting_key']);
    await rotate(made);
    await isActiveAndExact(made);
  });

  it('that awaits a key is degraded when a sync that somebody reset meets an outage', async () => {
    const made = await ARRANGE.awaiting_key('Reset in an outage');
    const { id, key } = made;
    control.setKeyState(key, 'active');
    control.fault({ kind: 'status', status: 529, report: 'cost', key, times: 'always' });
    const today: Day = await workflowDay();
    const input: SyncInput = {
      connectionId: id,
      n: 2,
      plan: { kind: 'daily', from: today, to: today, everyDay: false },
    };
    await world.client.workflow.start(SYNC_WORKFLOW, {
      workflowId: syncWorkflowId(id, 2),
      taskQueue: world.taskQueue,
      args: [input],
    });
    await comes('degraded', async () => (await state(id)).status === 'degraded');
    expect((await pathOf(id)).slice(-2)).toEqual(['awaiting_key', 'degraded']);
    control.clearFaults();
    await isActiveAndExact(made);
  });

  it('backfills a day that somebody deleted to have it read again', async () => {
    const made = await ARRANGE.active('Day deleted');
    const day = addDays(await workflowDay(), -2);
    await db.execute(sql`delete from days where connection_id = ${made.id} and day = ${day}`);
    await world.signal(made.id, 'resume');
    await until('the day', async () => (await syncs(made.id)).length === 2);
    await isActiveAndExact(made);
    expect((await pathOf(made.id)).slice(-3)).toEqual(['active', 'backfilling', 'active']);
  });

  it('reads its workspaces again after the record of reading them was deleted, and goes on where it was', async () => {
    const made = await ARRANGE.active('Forgotten');
    await db.execute(sql`update connections set discovered_at = null where id = ${made.id}`);
    await world.signal(made.id, 'resume');
    await until('discovering', async () => (await pathOf(made.id)).includes('discovering'));
    await isActiveAndExact(made);
    expect((await pathOf(made.id)).slice(-3)).toEqual(['active', 'discovering', 'active']);
  });

  it('reads its workspaces again if that record is deleted in the backfill', async () => {
    const made = await ARRANGE.backfilling('Forgotten early');
    await db.execute(sql`update connections set discovered_at = null where id = ${made.id}`);
    control.clearFaults();
    await isActiveAndExact(made);
    expect(await pathOf(made.id)).toEqual(['validating', 'discovering', 'backfilling', 'discovering', 'active']);
  });
});

it('the connections of this file together took every legal transition, and no other', async () => {
  const steps = await rows<{ from: Status; to: Status }>(
    db,
    sql`
      select distinct coalesce(lag(became) over (partition by connection_id order by id), 'validating') as from, became as to
      from (
        select connection_id, id, substring(message from '^The connection is (\\w+)') as became
        from events where type = 'status'
      ) told
    `,
  );
  const seen = new Set(steps.map(({ from, to }) => `${from} → ${to}`));
  const legal = Object.entries(TRANSITIONS).flatMap(([from, all]) => all.map((to) => `${from} → ${to}`));
  expect({ unseen: legal.filter((step) => !seen.has(step)) }).toEqual({ unseen: [] });
  expect({ illegal: [...seen].filter((step) => !legal.includes(step)) }).toEqual({ illegal: [] });
});
