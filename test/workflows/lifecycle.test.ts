import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { addDays, daysIn, type Day } from '../../domain/days.ts';
import { connectionWorkflowId, statusQuery, syncWorkflowId } from '../../workflows/messages.ts';
import { record } from '../support/histories.ts';
import { skippingWorld } from '../support/skipping.ts';
import { eventsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { row, rows } from '../support/rows.ts';

const {
  world,
  state,
  keys,
  syncs,
  becomes,
  awaitsKey,
  connected,
  organizationOf,
  workflowDay,
  passDays,
  isReading,
  comes,
  expectExact,
} = await skippingWorld();

async function firstRunOf(id: string): Promise<{ firstExecutionRunId: string | undefined }> {
  const { events } = await world.client.workflow.getHandle(connectionWorkflowId(id)).fetchHistory();
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  return { firstExecutionRunId: started?.firstExecutionRunId ?? undefined };
}

describe('a connection through a week', () => {
  it('is exact every day, finds late corrections by their totals, and makes few requests', async () => {
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
    // One request for workspaces, and for each report one for totals and one for lines; corrections need more.
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

  it('catches up after weeks without a worker, from what the database lacks, oldest day first', async () => {
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
    await record(world.client, 'sync-caught-up', syncWorkflowId(id, 2));
    await record(world.client, 'connection-resumed', connectionWorkflowId(id));
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
    expect(await keys(id)).toEqual([{ hint: key.slice(-4), state: 'refused', sealed: false, failure: code }]);
    // In the list of workflows it must not look like a success.
    await until('the workflow to fail', async () => {
      const { status } = await world.client.workflow.getHandle(connectionWorkflowId(id)).describe();
      return status.name === 'FAILED';
    });
    await record(world.client, 'connection-refused', connectionWorkflowId(id));
  });

  it('of a connected organization is refused, and the failure names the connection', async () => {
    const { id, key } = await connected('Twice');
    const second = await world.connect({ key });
    await becomes(second, 'refused');
    const { failure } = await row<{ failure: { code: string; connectionId: string } }>(
      world.database.db,
      sql`select failure from keys where connection_id = ${second}`,
    );
    expect(failure).toEqual({ code: 'already_connected', connectionId: id });
    expect((await state(id)).status).toBe('active');
  });

  it('waits while Anthropic is down, and connects once it is back', async () => {
    const { key, organization } = organizationOf('Down');
    world.simulator.control.fault({ kind: 'status', status: 503, times: 'always', key });
    const id = await world.connect({ key, backfillDays: 3, today: await workflowDay() });
    await until('a try without an answer', async () =>
      (await keys(id)).some(({ failure }) => failure === 'upstream_unavailable'),
    );
    expect((await state(id)).status).toBe('validating');
    world.simulator.control.clearFaults();
    await world.pass('2 minutes');
    await becomes(id, 'active');
    await expectExact(id, organization, addDays(await workflowDay(), -2), await workflowDay());
    await record(world.client, 'connection-unanswered', connectionWorkflowId(id));
  });
});

describe('an active key that does not work', () => {
  it('because it cannot be opened is tried once a day, and works again once it can be opened', async () => {
    const { id } = await connected('Wrong ring');
    const { db } = world.database;
    await db.execute(sql`update keys set encryption_key_id = 'gone' where connection_id = ${id}`);
    await world.signal(id, 'syncNow');
    await becomes(id, 'awaiting_key');
    expect(await state(id)).toMatchObject({ failure: 'key_unreadable' });
    await world.pass('49 hours');
    const { historyLength } = await world.client.workflow.getHandle(connectionWorkflowId(id)).describe();
    expect(historyLength).toBeLessThan(100);
    expect((await keys(id))[0]).toMatchObject({ state: 'active', sealed: true });
    await db.execute(sql`update keys set encryption_key_id = 'test' where connection_id = ${id}`);
    world.simulator.control.clock({ now: (await world.now()) + 90_000_000 });
    await world.pass('25 hours');
    await becomes(id, 'active');
  });

  it('is probed when somebody asks for a sync, which runs at once if Anthropic accepts the key again', async () => {
    const { id, key } = await connected('Taken again');
    const { control } = world.simulator;
    control.setKeyState(key, 'forbidden');
    await world.signal(id, 'syncNow');
    await awaitsKey(id);
    control.setKeyState(key, 'active');
    const today = await workflowDay();
    await world.signal(id, 'syncNow', { from: addDays(today, -1), to: today });
    await until('the sync of these days', async () =>
      (await syncs(id)).some(({ days_read: d, state: s }) => d === 2 && s === 'succeeded'),
    );
    await becomes(id, 'active');
  });

  it('leaves named days waiting until Anthropic accepts a key, and each probe adds an event', async () => {
    const { id, key, organization } = await connected('Owed');
    const { control } = world.simulator;
    control.setKeyState(key, 'revoked');
    await world.signal(id, 'syncNow');
    await awaitsKey(id);
    const day = addDays(await workflowDay(), -3);
    const asked = control.conduct().after_revocation;
    await world.signal(id, 'syncNow', { from: day, to: day });
    await until('a probe', async () => (await eventsOf(world.database.db, id, 'key_probed')).length === 2);
    control.clock({ now: (await world.now()) + 2 * 86_400_000 });
    await world.pass('2 days');
    expect(control.conduct().after_revocation - asked).toBeLessThanOrEqual(8);
    const next = control.addKey({ organization }).key;
    await world.signal(id, 'rotateKey', { keyId: await world.stage(id, next) });
    await until('the day', async () =>
      (await syncs(id)).some(({ kind, days_read: d, state: s }) => kind === 'manual' && d === 1 && s === 'succeeded'),
    );
    await becomes(id, 'active');
    await record(world.client, 'connection-awaited', connectionWorkflowId(id));
    expect(await eventsOf(world.database.db, id, 'key_probed')).toContain(
      `Anthropic still rejects key …${key.slice(-4)} with key_invalid.`,
    );
  });

  it('works again at the next probe after somebody enabled it', async () => {
    const { id, key } = await connected('Enabled again');
    const { control } = world.simulator;
    control.setKeyState(key, 'forbidden');
    await world.signal(id, 'syncNow');
    await awaitsKey(id);
    control.setKeyState(key, 'active');
    control.clock({ now: (await world.now()) + 90_000_000 });
    await world.pass('25 hours');
    await becomes(id, 'active');
    expect(await state(id)).toMatchObject({ failure: null });
  });
});

describe('what people do', () => {
  it('pause stops the syncs, and resume catches up', async () => {
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

  it('a signal that is malformed or unknown, or names an unknown key, changes nothing and adds an event', async () => {
    const { id, key } = await connected('Malformed');
    const { db } = world.database;
    await world.signal(id, 'rotateKey', key);
    await world.signal(id, 'rotateKey', { keyId: '00000000-0000-4000-8000-000000000000' });
    await world.signal(id, 'syncNow', { from: '2020-01-01', to: '2020-01-02' });
    await world.signal(id, 'disconnect', { purge: 'everything' });
    await world.client.workflow.getHandle(connectionWorkflowId(id)).signal('disconnectNow', { purge: true });
    await until('five events', async () => (await eventsOf(db, id, 'signal')).length === 5);
    expect((await eventsOf(db, id, 'signal')).join('\n')).not.toContain(key.slice(13));
    expect((await state(id)).status).toBe('active');
    expect(await keys(id)).toHaveLength(1);
  });

  it('a signal by an unknown name, or by one that Temporal reserves, changes nothing and leaves an event', async () => {
    const { id } = await connected('Unknown signal');
    const handle = world.client.workflow.getHandle(connectionWorkflowId(id));
    const names = ['syncnow', '__temporal_x', 'toString'];
    for (const [index, name] of names.entries()) {
      await handle.signal(name, {});
      await until('an event', async () => (await eventsOf(world.database.db, id, 'signal')).length > index);
    }
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    expect(await syncs(id)).toHaveLength(1);
    const known = 'there is no such signal (there are rotateKey, syncNow, pause, resume, disconnect)';
    expect(await eventsOf(world.database.db, id, 'signal')).toEqual(
      ['syncnow', 'a signal', 'toString'].map((name) => `${name}: ${known}, so nothing changed`),
    );
    await record(world.client, 'connection-told-nonsense', connectionWorkflowId(id));
  });

  it('a signal in an unreadable encoding adds an event, and the signals after it are answered', async () => {
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
      return status.doing === 'wait' && status.inbox === 0 && status.sync === null;
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

  it('disconnect with purge in the middle of a sync stops the sync and deletes every line', async () => {
    const { key } = organizationOf('Purge');
    world.simulator.control.fault({ kind: 'stall_body', report: 'cost', key, grouped: true, times: 'always' });
    const id = await world.connect({ key, backfillDays: 5, today: await workflowDay() });
    await until('the sync to be under way', async () => (await syncs(id)).some(({ requests }) => requests > 1));
    await isReading(id);
    await world.signal(id, 'disconnect', { purge: true });
    await until('disconnected', async () => (await state(id)).status === 'disconnected');
    await record(world.client, 'connection-purged', connectionWorkflowId(id));
    await record(world.client, 'sync-cancelled', syncWorkflowId(id, 1));
    const of = sql`connection_id = ${id}`;
    const orphans = sql`day_no not in (select day_no from days)`;
    const tables = { cost_lines: orphans, usage_lines: orphans, cost_series: of, days: of, workspaces: of, syncs: of };
    for (const [table, left] of Object.entries(tables)) {
      const { count } = await row<{ count: number }>(
        world.database.db,
        sql`select count(*)::int as count from ${sql.identifier(table)} where ${left}`,
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

/** Makes Postgres refuse a series, as if its value were too large; or lets it store the series again. */
function refusing(isOn: boolean): ReturnType<typeof sql.raw> {
  return sql.raw(
    isOn
      ? `create or replace function refuse() returns trigger language plpgsql as $$ begin
           if new.extra::text like '%refused by Postgres%' then raise exception 'no' using errcode = '54000'; end if;
           return new;
         end $$;
         create or replace trigger refuse before insert on cost_series for each row execute function refuse()`
      : 'drop trigger if exists refuse on cost_series',
  );
}

async function daysOf(id: string, report: 'cost' | 'usage'): Promise<string[]> {
  const found = await rows<{ day: string }>(
    world.database.db,
    sql`select day::text from days where connection_id = ${id} and report = ${report} order by day`,
  );
  return found.map(({ day }) => day);
}

async function detailOf(id: string): Promise<string> {
  const { detail } = await row<{ detail: string }>(
    world.database.db,
    sql`select failure ->> 'detail' as detail from connections where id = ${id}`,
  );
  return detail;
}

describe('what Anthropic does', () => {
  it('a failed sync leaves a degraded connection, which recovers without help', async () => {
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
      (await syncs(id)).some(({ days_read: d, state: s }) => d === 1 && s === 'succeeded'),
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

  it('a day that is too large holds up no other day, and is read once its size is allowed', async () => {
    const { key, organization } = organizationOf('Too large a day');
    const { control } = world.simulator;
    const today = await workflowDay();
    const day = addDays(today, -2);
    const failure = { key, report: 'cost' as const, grouped: true, times: 'always' as const, days: [day] };
    control.fault({ ...failure, kind: 'huge_page', bytes: 70_000_000 });
    const id = await world.connect({ key, backfillDays: 5, today });
    await until('all other days', async () => (await state(id)).days === 4);
    await becomes(id, 'degraded');
    expect(await state(id)).toMatchObject({ failure: 'reply_too_large' });
    const { detail } = await row<{ detail: string }>(
      world.database.db,
      sql`select failure ->> 'detail' as detail from connections where id = ${id}`,
    );
    expect(detail).toBe(
      `${day}: the reply of /v1/organizations/cost_report has 66 MB, which is more than the 64 MB of METERLINE_MAX_REPLY_MB`,
    );
    control.clearFaults();
    await world.pass('2 minutes');
    await becomes(id, 'active');
    await expectExact(id, organization, addDays(today, -4), today);
  });

  it('scattered days that cannot be read hold up no other day, and are read later', async () => {
    const { key, organization } = organizationOf('Unreadable day');
    const { control } = world.simulator;
    const today = await workflowDay();
    const began = addDays(today, -13);
    const days = [-4, -6, -9, -12].map((ago) => addDays(today, ago));
    const failure = { key, report: 'cost' as const, grouped: true, times: 'always' as const, days };
    control.fault({ ...failure, kind: 'bad_amount' });
    const id = await world.connect({ key, backfillDays: 14, today });
    await comes('all other days', async () => (await state(id)).days === 10);
    await becomes(id, 'degraded');
    expect(await state(id)).toMatchObject({ failure: 'upstream_invalid', unreconciled: 0 });
    await record(world.client, 'sync-around-a-day', syncWorkflowId(id, 1));
    // The new days of this time as well. So far into an outage, the tries are an hour apart.
    await world.database.db.execute(sql`update connections set failure_count = 40 where id = ${id}`);
    control.clock({ now: (await world.now()) + 86_400_000 });
    await world.pass('1 day');
    await comes('the next day', async () => (await state(id)).days === 11);
    expect((await state(id)).status).toBe('degraded');
    control.clearFaults();
    await world.pass('2 hours');
    await becomes(id, 'active');
    await expectExact(id, organization, began, await workflowDay());
  });

  it.each<[string, string, 'cost' | 'usage', string]>([
    ['nests without end', `"odd":${'['.repeat(20_000)}${']'.repeat(20_000)}`, 'cost', 'nests more than 100 deep'],
    ['is no count', '"output_tokens":1.5', 'usage', 'output_tokens is not a count'],
    ['Postgres refuses', '"odd":"refused by Postgres"', 'cost', 'Postgres refused a statement: SQLSTATE 54000'],
  ])(
    'a day with a row that %s holds up no other, is named, and is read once it can be',
    async (what, fields, report, why) => {
      const { key, organization } = organizationOf(`A row that ${what}`);
      const { control } = world.simulator;
      const today = await workflowDay();
      const [began, day] = [addDays(today, -5), addDays(today, -3)];
      await world.database.db.execute(refusing(true));
      control.fault({ kind: 'odd_fields', fields, key, report, grouped: true, times: 'always', days: [day] });
      const id = await world.connect({ key, backfillDays: 6, today });
      await becomes(id, 'degraded');
      expect(await daysOf(id, report)).toEqual(daysIn({ from: began, to: today }).filter((other) => other !== day));
      expect(await state(id)).toMatchObject({ failure: 'upstream_invalid', unreconciled: 0 });
      const detail = await detailOf(id);
      expect(detail.startsWith(`${day}: `)).toBe(true);
      expect(detail).toContain(why);
      control.clearFaults();
      await world.pass('2 hours');
      await becomes(id, 'active');
      await world.database.db.execute(refusing(false));
      await expectExact(id, organization, began, today);
    },
  );

  it('days with unreadable totals are named, hold up no other day, and are read later', async () => {
    const { key, organization } = organizationOf('Unreadable total');
    const { control } = world.simulator;
    const today = await workflowDay();
    const [began, day] = [addDays(today, -5), addDays(today, -3)];
    control.fault({ kind: 'bad_amount', key, report: 'cost', grouped: false, times: 'always', days: [day] });
    const id = await world.connect({ key, backfillDays: 6, today });
    await becomes(id, 'degraded');
    expect(await daysOf(id, 'cost')).toEqual(daysIn({ from: began, to: today }).filter((other) => other !== day));
    expect(await daysOf(id, 'usage')).toHaveLength(6);
    expect(await state(id)).toMatchObject({ failure: 'upstream_invalid', unreconciled: 0, flagged: 0 });
    expect(await detailOf(id)).toBe(`${day}: an amount is not a decimal number in text`);
    control.clearFaults();
    await world.pass('2 hours');
    await becomes(id, 'active');
    await expectExact(id, organization, began, today);
  });

  it.each(['wrong_shape', 'truncated_json'] as const)(
    'a list of workspaces that is no list (%s) holds up no money, and an event says so',
    async (kind) => {
      const { key, organization } = organizationOf(`List ${kind}`);
      world.simulator.control.fault({ kind, key, report: 'workspaces', times: 'always' });
      const today = await workflowDay();
      const id = await world.connect({ key, backfillDays: 3, today });
      await becomes(id, 'active');
      await expectExact(id, organization, addDays(today, -2), today);
      const [event] = await eventsOf(world.database.db, id, 'workspaces_unread');
      expect(event).toMatch(
        /^The list of workspaces cannot be read: the .+ Workspaces keep the names that are stored here/,
      );
    },
  );

  it('a list of workspaces that does not come fails the sync, which says so and stores all of its days', async () => {
    const { key, organization } = organizationOf('No list');
    const { control } = world.simulator;
    // The connection reads the list once before its first sync does.
    control.fault({ kind: 'status', status: 500, key, report: 'workspaces', after: 1, times: 'always' });
    const today = await workflowDay();
    const id = await world.connect({ key, backfillDays: 3, today });
    await becomes(id, 'degraded');
    expect(await detailOf(id)).toMatch(/^workspaces: HTTP 500 /);
    await expectExact(id, organization, addDays(today, -2), today);
    control.clearFaults();
    await world.pass('2 hours');
    await becomes(id, 'active');
  });

  it('a key that Anthropic rejects is told before a list of workspaces that does not come', async () => {
    const { key } = organizationOf('No list, no key');
    const { control } = world.simulator;
    control.fault({ kind: 'status', status: 500, key, report: 'workspaces', after: 1, times: 'always' });
    control.fault({ kind: 'unauthorized', key, report: 'cost', times: 'always' });
    const id = await world.connect({ key, backfillDays: 3, today: await workflowDay() });
    await becomes(id, 'degraded');
    expect(await state(id)).toMatchObject({ failure: 'key_invalid' });
    control.clearFaults();
    await world.pass('2 hours');
    await becomes(id, 'active');
  });

  it('a day is flagged while its lines do not add up to its total', async () => {
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
