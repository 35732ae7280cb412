import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { row, rows } from '../../db/database.ts';
import { addDays, dayOf, type Day } from '../../domain/days.ts';
import { connectionWorkflowId, statusQuery, syncWorkflowId } from '../../workflows/messages.ts';
import { storedCost, storedUsage, trueCost, trueUsage } from '../support/ledger.ts';
import { record } from '../support/histories.ts';
import { eventsOf, keysOf, stateOf, syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;

beforeAll(async () => {
  world = await createWorld({ timeSkipping: true, simulator: { now: Date.now(), ticking: false } });
});
afterAll(() => world.close());
afterEach(() => {
  world.simulator.control.clearFaults();
  expect(world.simulator.control.conduct().violations).toBe(0);
});

const state = (id: string): ReturnType<typeof stateOf> => stateOf(world.database.db, id);
const keys = (id: string): ReturnType<typeof keysOf> => keysOf(world.database.db, id);
const syncs = (id: string): ReturnType<typeof syncsOf> => syncsOf(world.database.db, id);

async function becomes(id: string, status: string): Promise<void> {
  await until(`${status}, and nothing under way`, async () => {
    const now = await state(id);
    return now.status === status && (await syncs(id)).every((sync) => sync.state !== 'running');
  });
}

/** An organization of its own, so that tests do not meet each other, with a connection that is active. */
async function connected(name: string, backfillDays = 5): Promise<{ id: string; key: string; organization: string }> {
  const { organization, key } = organizationOf(name);
  const id = await world.connect({ key, name, backfillDays, today: await workflowDay() });
  await becomes(id, 'active');
  return { id, key, organization };
}

function organizationOf(name: string, options: { individual?: boolean } = {}): { organization: string; key: string } {
  const { control } = world.simulator;
  const organization = control.addOrganization({ name, keys: [{}], ...options }).id;
  const key = control.keys().find((known) => known.organization === organization)?.key;
  if (key === undefined) throw new Error('the organization has no key');
  return { organization, key };
}

/** The day it is for workflows: time only passes when a test lets it. */
async function workflowDay(): Promise<Day> {
  return dayOf(await world.now());
}

/** Lets days pass for Anthropic and for workflows, and waits until the syncs of the last of them are over. */
async function passDays(id: string, count: number): Promise<void> {
  for (let day = 0; day < count; day += 1) {
    const before = (await syncs(id)).length;
    world.simulator.control.clock({ now: (await world.now()) + 86_400_000 });
    await world.pass('1 day');
    await until('the daily sync', async () => {
      const all = await syncs(id);
      return all.length > before && all.every((sync) => sync.state !== 'running');
    });
  }
}

async function firstRunOf(id: string): Promise<{ firstExecutionRunId: string | undefined }> {
  const { events } = await world.client.workflow.getHandle(connectionWorkflowId(id)).fetchHistory();
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  return { firstExecutionRunId: started?.firstExecutionRunId ?? undefined };
}

async function expectExact(id: string, organization: string, from: Day, to: Day): Promise<void> {
  const { db } = world.database;
  expect(await storedCost(db, id, from, to)).toEqual(trueCost(world.simulator, from, to, organization));
  expect(await storedUsage(db, id, from, to)).toEqual(trueUsage(world.simulator, from, to, organization));
}

describe('a connection through a week', () => {
  it('is exact every day, finds corrections of weeks ago by their totals, and asks little', async () => {
    const { id, organization } = await connected('Week', 31);
    const began = addDays(await workflowDay(), -30);
    const { control } = world.simulator;
    await record(world.client, 'connection-first', connectionWorkflowId(id));
    await record(world.client, 'sync-backfill', syncWorkflowId(id, 1));
    await expectExact(id, organization, began, await workflowDay());

    control.restate({ organization, day: addDays(began, 3), kind: 'scale', factor: '1.01', report: 'both' });
    control.restate({ organization, day: addDays(began, 5), kind: 'empty', report: 'both' });
    control.restate({ organization, day: addDays(began, 7), kind: 'add', rows: 2 });
    await passDays(id, 1);
    await expectExact(id, organization, began, await workflowDay());
    const restated = await rows<{ day: Day; report: string }>(
      world.database.db,
      sql`select day::text, report from restatements where connection_id = ${id} and day < ${addDays(began, 20)} order by day, report`,
    );
    expect(restated.map(({ day, report }) => `${day} ${report}`)).toEqual([
      `${addDays(began, 3)} cost`,
      `${addDays(began, 3)} usage`,
      `${addDays(began, 5)} cost`,
      `${addDays(began, 5)} usage`,
      `${addDays(began, 7)} cost`,
    ]);

    await passDays(id, 6);
    const today = await workflowDay();
    await expectExact(id, organization, began, today);
    expect(await state(id)).toMatchObject({ status: 'active', days: 38, flagged: 0, failure: null });
    const daily = (await syncs(id)).filter(({ kind }) => kind === 'daily');
    await record(world.client, 'sync-daily', syncWorkflowId(id, daily.at(-1)?.n ?? 0));
    expect(daily).toHaveLength(7);
    expect(daily.every((sync) => sync.state === 'succeeded')).toBe(true);
    // Workspaces, and for each report its totals and one page of lines; a day with corrections asks for more.
    expect(Math.min(...daily.map(({ requests }) => requests))).toBeLessThanOrEqual(6);
  });

  it('continues as new every day with a short history', async () => {
    const { id } = await connected('History');
    await passDays(id, 3);
    const handle = world.client.workflow.getHandle(connectionWorkflowId(id));
    await record(world.client, 'connection-continued', connectionWorkflowId(id));
    const { historyLength, runId } = await handle.describe();
    expect(historyLength).toBeLessThan(200);
    const status = await handle.query(statusQuery);
    expect(status).toMatchObject({ connectionId: id, status: 'active', doing: 'wait', inbox: 0 });
    const { firstExecutionRunId } = await firstRunOf(id);
    expect(runId).not.toBe(firstExecutionRunId);
  });

  it('rewrites no line of an unchanged organization', async () => {
    const { id } = await connected('Unchanged');
    await world.signal(id, 'syncNow');
    await until('the manual sync', async () =>
      (await syncs(id)).some(({ kind, state: s }) => kind === 'manual' && s === 'succeeded'),
    );
    const manual = (await syncs(id)).find(({ kind }) => kind === 'manual');
    expect(manual).toMatchObject({ days_changed: 0, state: 'succeeded' });
    expect(manual?.requests).toBeLessThanOrEqual(6);
  });

  it('catches up after weeks of standing still, by what the database lacks, oldest first', async () => {
    const { id, organization } = await connected('Downtime');
    const began = addDays(await workflowDay(), -4);
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    world.simulator.control.clock({ now: (await world.now()) + 45 * 86_400_000 });
    await world.pass('45 days');
    await world.signal(id, 'resume');
    await until('the daily sync', async () =>
      (await syncs(id)).some(({ kind, state: s }) => kind === 'daily' && s === 'succeeded'),
    );
    await becomes(id, 'active');
    await expectExact(id, organization, began, await workflowDay());
    expect((await syncs(id)).map(({ kind }) => kind)).toEqual(['backfill', 'catch_up', 'daily']);
  });
});

describe('a first key', () => {
  it.each([
    ['revoked', 'key_invalid'],
    ['forbidden', 'key_forbidden'],
    ['individual', 'individual_account'],
  ] as const)('that is %s is refused with %s, and its ciphertext is gone', async (kind, code) => {
    const { key } = organizationOf(`Refused ${kind}`, { individual: kind === 'individual' });
    if (kind !== 'individual') world.simulator.control.setKeyState(key, kind);
    const id = await world.connect({ key });
    await becomes(id, 'refused');
    expect(await keys(id)).toEqual([{ hint: key.slice(-4), state: 'refused', sealed: false, fault: code }]);
    await until('the workflow to end', async () => {
      const { status } = await world.client.workflow.getHandle(connectionWorkflowId(id)).describe();
      return status.name === 'COMPLETED';
    });
    await record(world.client, 'connection-refused', connectionWorkflowId(id));
  });

  it('of an organization that is connected already is refused, and names the connection', async () => {
    const { id, key } = await connected('Twice');
    const second = await world.connect({ key });
    await becomes(second, 'refused');
    const { fault } = await row<{ fault: { code: string; connectionId: string } }>(
      world.database.db,
      sql`select fault from keys where connection_id = ${second}`,
    );
    expect(fault).toEqual({ code: 'already_connected', connectionId: id });
    expect((await state(id)).status).toBe('active');
  });

  it('waits while Anthropic is down, and connects when it is back', async () => {
    const { key, organization } = organizationOf('Down');
    world.simulator.control.fault({ kind: 'status', status: 503, times: 'always', key });
    const id = await world.connect({ key, backfillDays: 3, today: await workflowDay() });
    await until('a try without an answer', async () =>
      (await keys(id)).some(({ fault }) => fault === 'upstream_unavailable'),
    );
    expect((await state(id)).status).toBe('validating');
    world.simulator.control.clearFaults();
    await world.pass('2 minutes');
    await becomes(id, 'active');
    await expectExact(id, organization, addDays(await workflowDay(), -2), await workflowDay());
  });
});

describe('rotation', () => {
  it('keeps the old key until a sync succeeded with the new one, then destroys it', async () => {
    const { id, key, organization } = await connected('Rotation');
    const next = world.simulator.control.addKey({ organization }).key;
    const keyId = await world.stage(id, next);
    await world.signal(id, 'rotateKey', { keyId });
    await until('the old key to be destroyed', async () => (await keys(id))[0]?.state === 'destroyed');
    expect(await keys(id)).toEqual([
      { hint: key.slice(-4), state: 'destroyed', sealed: false, fault: null },
      { hint: next.slice(-4), state: 'active', sealed: true, fault: null },
    ]);
    await becomes(id, 'active');
    await record(world.client, 'connection-rotated', connectionWorkflowId(id));
  });

  it('to a key of another organization, or a bad one, changes nothing', async () => {
    const { id, key } = await connected('Stays');
    const { key: foreign } = organizationOf('Foreign');
    const { key: bad, organization } = organizationOf('Bad');
    world.simulator.control.setKeyState(bad, 'revoked');
    expect(organization).toBeTypeOf('string');
    for (const [secret, code] of [
      [foreign, 'organization_mismatch'],
      [bad, 'key_invalid'],
    ] as const) {
      const keyId = await world.stage(id, secret);
      await world.signal(id, 'rotateKey', { keyId });
      await until(code, async () => (await keys(id)).some(({ fault }) => fault === code));
    }
    expect((await keys(id)).map(({ hint, state: s }) => [hint, s])).toEqual([
      [key.slice(-4), 'active'],
      [foreign.slice(-4), 'refused'],
      [bad.slice(-4), 'refused'],
    ]);
    expect((await state(id)).status).toBe('active');
  });

  it('goes back to the old key when the new one is rejected before its first success', async () => {
    const { id, key, organization } = await connected('Back');
    const { control } = world.simulator;
    const next = control.addKey({ organization }).key;
    const keyId = await world.stage(id, next);
    // Anthropic takes it when it is tried, and rejects it from its second request on.
    control.fault({ kind: 'unauthorized', key: next, after: 1, times: 'always' });
    await world.signal(id, 'rotateKey', { keyId });
    await until('the new key to be refused', async () => (await keys(id)).some(({ state: s }) => s === 'refused'));
    await becomes(id, 'active');
    expect((await keys(id)).map(({ hint, state: s }) => [hint, s])).toEqual([
      [key.slice(-4), 'active'],
      [next.slice(-4), 'refused'],
    ]);
  });

  it('rescues a connection that awaits a key, and no day is lost', async () => {
    const { id, key, organization } = await connected('Rescue');
    const { control } = world.simulator;
    const began = addDays(await workflowDay(), -4);
    control.setKeyState(key, 'revoked');
    await world.signal(id, 'syncNow');
    await becomes(id, 'awaiting_key');
    expect(await state(id)).toMatchObject({ failure: 'key_invalid' });
    const asked = control.conduct().after_revocation;
    control.clock({ now: (await world.now()) + 3 * 86_400_000 });
    await world.pass('3 days');
    // One probe a day, and nothing else.
    expect(control.conduct().after_revocation - asked).toBeLessThanOrEqual(3);
    const next = control.addKey({ organization }).key;
    await world.signal(id, 'rotateKey', { keyId: await world.stage(id, next) });
    await until('the old key to be destroyed', async () => (await keys(id))[0]?.state === 'destroyed');
    await becomes(id, 'active');
    await expectExact(id, organization, began, await workflowDay());
  });

  it('a key that cannot be opened is asked for once a day, and serves again once it can be', async () => {
    const { id } = await connected('Wrong ring');
    const { db } = world.database;
    await db.execute(sql`update keys set ring_key_id = 'gone' where connection_id = ${id}`);
    await world.signal(id, 'syncNow');
    await becomes(id, 'awaiting_key');
    expect(await state(id)).toMatchObject({ failure: 'key_unreadable' });
    await world.pass('49 hours');
    const { historyLength } = await world.client.workflow.getHandle(connectionWorkflowId(id)).describe();
    expect(historyLength).toBeLessThan(100);
    expect((await keys(id))[0]).toMatchObject({ state: 'active', sealed: true });
    await db.execute(sql`update keys set ring_key_id = 'test' where connection_id = ${id}`);
    world.simulator.control.clock({ now: (await world.now()) + 90_000_000 });
    await world.pass('25 hours');
    await becomes(id, 'active');
  });

  it('a sync asked for when the rejected key is taken again is made at once', async () => {
    const { id, key } = await connected('Taken again');
    const { control } = world.simulator;
    control.setKeyState(key, 'forbidden');
    await world.signal(id, 'syncNow');
    await becomes(id, 'awaiting_key');
    control.setKeyState(key, 'active');
    const today = await workflowDay();
    await world.signal(id, 'syncNow', { from: addDays(today, -1), to: today });
    await until('the sync of these days', async () =>
      (await syncs(id)).some(({ days_read: d, state: s }) => d === 4 && s === 'succeeded'),
    );
    await becomes(id, 'active');
  });

  it('a rejected key that is enabled again serves at the next probe', async () => {
    const { id, key } = await connected('Enabled again');
    const { control } = world.simulator;
    control.setKeyState(key, 'forbidden');
    await world.signal(id, 'syncNow');
    await becomes(id, 'awaiting_key');
    control.setKeyState(key, 'active');
    control.clock({ now: (await world.now()) + 90_000_000 });
    await world.pass('25 hours');
    await becomes(id, 'active');
    expect(await state(id)).toMatchObject({ failure: null });
  });
});

describe('what people do', () => {
  it('pause stops syncs, resume catches up', async () => {
    const { id, organization } = await connected('Pause');
    const began = addDays(await workflowDay(), -4);
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    const before = (await syncs(id)).length;
    world.simulator.control.clock({ now: (await world.now()) + 3 * 86_400_000 });
    await world.pass('3 days');
    expect(await syncs(id)).toHaveLength(before);
    await world.signal(id, 'resume');
    await until('a sync', async () => (await syncs(id)).length > before);
    await becomes(id, 'active');
    await expectExact(id, organization, began, await workflowDay());
  });

  it('a signal that is malformed, or names an unknown key, changes nothing and leaves an event', async () => {
    const { id, key } = await connected('Malformed');
    const { db } = world.database;
    await world.signal(id, 'rotateKey', key);
    await world.signal(id, 'rotateKey', { keyId: '00000000-0000-4000-8000-000000000000' });
    await world.signal(id, 'syncNow', { from: '2020-01-01', to: '2020-01-02' });
    await world.signal(id, 'disconnect', { purge: 'everything' });
    await until('four events', async () => (await eventsOf(db, id, 'signal')).length === 4);
    expect((await eventsOf(db, id, 'signal')).join('\n')).not.toContain(key.slice(13));
    expect((await state(id)).status).toBe('active');
    expect(await keys(id)).toHaveLength(1);
  });

  it('a signal by an unknown name, or by one that Temporal keeps to itself, changes nothing', async () => {
    const { id } = await connected('Unknown signal');
    const handle = world.client.workflow.getHandle(connectionWorkflowId(id));
    for (const name of ['syncnow', '__temporal_x', 'toString']) await handle.signal(name, {});
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    expect(await syncs(id)).toHaveLength(1);
  });

  it('a signal in an encoding that cannot be read leaves an event, and what comes after it is heard', async () => {
    const { id } = await connected('Unreadable');
    const { client } = world;
    await client.workflowService.signalWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: connectionWorkflowId(id) },
      signalName: 'rotateKey',
      input: {
        payloads: [{ metadata: { encoding: Buffer.from('json/protobuf') }, data: Buffer.from('{broken') }],
      },
    });
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    expect(await eventsOf(world.database.db, id, 'signal')).toEqual([
      'rotateKey: its input is not a JSON object, so nothing changed',
    ]);
  });

  it('ten requests for a sync are answered by one or two', async () => {
    const { id } = await connected('Eager');
    await Promise.all(Array.from({ length: 10 }, () => world.signal(id, 'syncNow')));
    await until('a sync', async () =>
      (await syncs(id)).some(({ kind, state: s }) => kind === 'manual' && s === 'succeeded'),
    );
    await becomes(id, 'active');
    await until('nothing left to do', async () => {
      const status = await world.client.workflow.getHandle(connectionWorkflowId(id)).query(statusQuery);
      return status.doing === 'wait' && status.inbox === 0;
    });
    expect((await syncs(id)).filter(({ kind }) => kind === 'manual').length).toBeLessThanOrEqual(2);
  });

  it('disconnect destroys every key and keeps the data', async () => {
    const { id } = await connected('Goodbye');
    await world.signal(id, 'disconnect');
    await becomes(id, 'disconnected');
    expect((await keys(id)).every(({ sealed }) => !sealed)).toBe(true);
    expect((await state(id)).days).toBe(5);
    expect((await syncs(id)).every((sync) => sync.state === 'succeeded')).toBe(true);
    await record(world.client, 'connection-disconnected', connectionWorkflowId(id));
  });

  it('disconnect with purge in the middle of a sync stops it, and leaves no line', async () => {
    const { key } = organizationOf('Purge');
    world.simulator.control.fault({ kind: 'stall_body', report: 'cost', key, grouped: true, times: 'always' });
    const id = await world.connect({ key, backfillDays: 5, today: await workflowDay() });
    await until('the sync to be under way', async () => (await syncs(id)).some(({ requests }) => requests > 1));
    await world.signal(id, 'disconnect', { purge: true });
    await until('disconnected', async () => (await state(id)).status === 'disconnected');
    await record(world.client, 'sync-cancelled', syncWorkflowId(id, 1));
    for (const table of ['cost_lines', 'usage_lines', 'cost_series', 'days', 'workspaces', 'syncs']) {
      const { count } = await row<{ count: number }>(
        world.database.db,
        sql`select count(*)::int as count from ${sql.identifier(table)} where connection_id = ${id}`,
      );
      expect([table, count]).toEqual([table, 0]);
    }
    expect((await keys(id)).every(({ sealed }) => !sealed)).toBe(true);
  });

  it('an organization that was disconnected can be connected again', async () => {
    const { id, key } = await connected('Again');
    await world.signal(id, 'disconnect');
    await becomes(id, 'disconnected');
    const second = await world.connect({ key, backfillDays: 3, today: await workflowDay() });
    await becomes(second, 'active');
  });
});

describe('what Anthropic does', () => {
  it('a sync that fails leaves a degraded connection, which heals by itself', async () => {
    const { id, key, organization } = await connected('Outage');
    const { control } = world.simulator;
    control.fault({ kind: 'status', status: 529, key, times: 'always' });
    await world.signal(id, 'syncNow');
    await until('degraded', async () => (await state(id)).status === 'degraded');
    expect(await state(id)).toMatchObject({ failure: 'upstream_unavailable' });
    await world.signal(id, 'syncNow', { from: addDays(await workflowDay(), -2), to: addDays(await workflowDay(), -2) });
    await until(
      'the asked days to fail',
      async () => (await syncs(id)).filter(({ state: s }) => s === 'failed').length > 1,
    );
    control.clearFaults();
    await world.pass('2 minutes');
    await until('the days that are owed', async () =>
      (await syncs(id)).some(({ days_read: d, state: s }) => d === 2 && s === 'succeeded'),
    );
    await becomes(id, 'active');
    await record(world.client, 'connection-healed', connectionWorkflowId(id));
    await record(world.client, 'sync-failed', syncWorkflowId(id, 2));
    expect(await state(id)).toMatchObject({ failure: null });
    await expectExact(id, organization, addDays(await workflowDay(), -4), await workflowDay());
  });

  it.each([
    'truncated_json',
    'reset',
    'html_ok',
    'cyclic_page',
    'null_page',
    'duplicate_lines',
    'lost_line',
    'missing_bucket',
  ] as const)('a %s costs a retry and no money', async (kind) => {
    const { key, organization } = organizationOf(`Fault ${kind}`);
    world.simulator.control.fault({ kind, key, report: 'cost', grouped: true, times: 1 });
    const id = await world.connect({ key, backfillDays: 5, today: await workflowDay() });
    await until('the days', async () => (await state(id)).days === 5);
    await world.pass('2 minutes');
    await becomes(id, 'active');
    await expectExact(id, organization, addDays(await workflowDay(), -4), await workflowDay());
    expect(await state(id)).toMatchObject({ flagged: 0, unreconciled: 0 });
  });

  it('a day whose lines stably disagree with its total is flagged, and clears by itself', async () => {
    const { id, key, organization } = await connected('Flag');
    const { control } = world.simulator;
    control.fault({ kind: 'lost_line', key, report: 'cost', grouped: true, times: 'always' });
    await world.signal(id, 'syncNow');
    await until('a flag', async () => (await state(id)).flagged > 0);
    await becomes(id, 'active');
    await record(world.client, 'sync-flagged', syncWorkflowId(id, 2));
    control.clearFaults();
    await passDays(id, 1);
    expect(await state(id)).toMatchObject({ flagged: 0, unreconciled: 0 });
    await expectExact(id, organization, addDays(await workflowDay(), -5), await workflowDay());
  });
});
