import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { addDays } from '../../domain/days.ts';
import type { FaultInput } from '../../simulator/simulator.ts';
import { connectionWorkflowId, wake } from '../../workflows/messages.ts';
import { skippingWorld } from '../support/skipping.ts';
import { eventsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { row } from '../support/rows.ts';

const { world, state, keys, syncs, shown, becomes, awaitsKey, settles, comes, connected, ...skipping } =
  await skippingWorld();
const { organizationOf, workflowDay, passHours, expectExact } = skipping;
const { control } = world.simulator;
const { db } = world.database;

const json = { 'content-type': 'application/json' };
const envelope = (type: string, message: string): string =>
  JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_x' });

/** Replies of proxies and gateways in Anthropic's place. None is a verdict on a key. */
const NO_VERDICTS: Record<string, NonNullable<FaultInput['reply']>> = {
  'an edge': { status: 403, headers: json, body: '{"error":{"type":"forbidden","message":"Request not allowed"}}' },
  'an address allow-list': {
    status: 403,
    body: envelope('permission_error', "The IP address of this request isn't in the organization's allowed range."),
  },
  'a network policy': { status: 403, body: envelope('permission_error', 'Access restricted by network policy.') },
  'a gateway': { status: 401, body: '{"error":{"message":"Authentication Error","type":"token_not_found_in_db"}}' },
  'another server': { status: 404, body: '{"error":{"type":"invalid_request_error","message":"Unknown request URL"}}' },
  'a page': { status: 200, headers: { 'content-type': 'text/html' }, body: '<!DOCTYPE html><title>no</title>' },
  'a redirect': { status: 302, headers: { location: 'https://login.example.com/' }, body: '' },
};

async function isActiveAndExact(id: string, organization: string): Promise<void> {
  await comes('active', async () => (await state(id)).status === 'active');
  await becomes(id, 'active');
  await settles(id);
  const today = await workflowDay();
  await expectExact(id, organization, addDays(today, -4), today);
}

async function rotated(id: string, organization: string): Promise<string> {
  const { key } = control.addKey({ organization });
  await world.signal(id, 'rotateKey', { keyId: await world.stage(id, key) });
  return key;
}

describe.each(Object.entries(NO_VERDICTS))('a refusal of %s', (name, reply) => {
  it('is no verdict on a first key: it is tried until there is one', async () => {
    const { organization, key } = organizationOf(`First, ${name}`);
    control.fault({ kind: 'elsewhere', key, times: 'always', reply });
    const id = await world.connect({ key, backfillDays: 5, today: await workflowDay() });
    await comes('a try', async () => (await keys(id))[0]?.failure === 'network_refused');
    expect(await shown(id)).toMatchObject({ status: 'validating', error: { code: 'network_refused' } });
    expect((await keys(id)).map(({ state: s, sealed }) => [s, sealed])).toEqual([['candidate', true]]);
    control.clearFaults();
    await isActiveAndExact(id, organization);
    expect((await keys(id)).map(({ state: s }) => s)).toEqual(['active']);
  });

  it('is no verdict on the active key, nor on a new one after a rotation', async () => {
    const { id, organization } = await connected(`Later, ${name}`);
    const before = await world.now();
    control.fault({ kind: 'elsewhere', report: 'cost', times: 'always', reply });
    await rotated(id, organization);
    await comes('degraded', async () => (await state(id)).status === 'degraded');
    expect(await shown(id)).toMatchObject({ status: 'degraded', error: { code: 'network_refused' } });
    expect((await keys(id)).map(({ state: s }) => s)).toEqual(['superseded', 'active']);
    control.clearFaults();
    await isActiveAndExact(id, organization);
    expect((await keys(id)).map(({ state: s }) => s)).toEqual(['destroyed', 'active']);
    expect((await shown(id)).error).toBeNull();
    expect((await world.now()) - before).toBeLessThan(10 * 60_000);
  });
});

describe('a rejection of a key that works', () => {
  it('that comes once is questioned, and the sync goes on', async () => {
    const { id, organization, key } = await connected('Once');
    control.fault({ kind: 'unauthorized', report: 'cost', key });
    control.fault({ kind: 'forbidden', report: 'workspaces', key });
    await world.signal(id, 'syncNow');
    await until('the sync', async () => (await syncs(id)).length === 2);
    await isActiveAndExact(id, organization);
    expect((await syncs(id)).map(({ state: s }) => s)).toEqual(['succeeded', 'succeeded']);
    expect(await eventsOf(db, id, 'key_probed')).toEqual([]);
  });

  it('that lasts for the reports alone never makes the connection await a key: it retries with a backoff', async () => {
    const { id, organization, key } = await connected('Reports alone');
    control.fault({ kind: 'forbidden', report: 'cost', key, times: 'always' });
    await world.signal(id, 'syncNow');
    await comes('a second opinion', async () => (await eventsOf(db, id, 'key_probed')).length > 0);
    const asked = control.requests().total;
    await passHours(0.2);
    await settles(id);
    expect((await state(id)).status).toBe('degraded');
    const { error } = await shown(id);
    expect(error?.code).toBe('key_forbidden');
    // About one sync a minute with a few requests each, so this is no tight loop.
    expect(control.requests().total - asked).toBeLessThan(12 * 8);
    expect((await eventsOf(db, id, 'status')).join()).not.toContain('awaiting_key');
    control.clearFaults();
    await isActiveAndExact(id, organization);
  });

  it('that is confirmed shows within two minutes', async () => {
    const { id, key } = await connected('Revoked');
    control.setKeyState(key, 'revoked');
    const before = await world.now();
    await world.signal(id, 'syncNow');
    await awaitsKey(id);
    expect((await world.now()) - before).toBeLessThan(120_000);
  });

  it('is questioned again within minutes while Anthropic gives no answer, however long the rejection has lasted', async () => {
    const { id, organization, key } = await connected('Silent probes');
    control.setKeyState(key, 'revoked');
    await world.signal(id, 'syncNow');
    await awaitsKey(id);
    await passHours(27);
    control.setKeyState(key, 'active');
    control.fault({ kind: 'elsewhere', report: 'organization', key, times: 'always', reply: NO_VERDICTS['an edge'] });
    // The daily probe is due in this time, and gets no answer.
    await passHours(25);
    expect((await state(id)).status).toBe('awaiting_key');
    control.clearFaults();
    await passHours(1.5);
    await comes('active', async () => (await state(id)).status === 'active');
    const today = await workflowDay();
    await becomes(id, 'active');
    await expectExact(id, organization, addDays(today, -6), today);
  });
});

describe('a clock', () => {
  it('that makes the new key look unproven causes no sync right after another', async () => {
    const { id, organization } = await connected('Never proven');
    await rotated(id, organization);
    await until('the rotation', async () => (await keys(id)).some(({ state: s }) => s === 'destroyed'));
    await becomes(id, 'active');
    await settles(id);
    // As if no sync had got its number after the key became active.
    const { key } = control.addKey({ organization });
    const keyId = await world.stage(id, key);
    await world.signal(id, 'rotateKey', { keyId });
    await until('it to serve', async () =>
      (await keys(id)).some(({ hint, state: s }) => key.endsWith(hint) && s === 'active'),
    );
    await db.execute(sql`update keys set activated_sync = 1000000 where id = ${keyId}`);
    const before = (await syncs(id)).length;
    await passHours(0.5);
    await settles(id);
    const made = (await syncs(id)).length - before;
    expect(made).toBeGreaterThan(5);
    expect(made).toBeLessThanOrEqual(32);
    await db.execute(sql`update keys set activated_sync = 1 where id = ${keyId}`);
    await comes('the old one to go', async () => (await keys(id)).every(({ state: s }) => s !== 'superseded'));
  });

  it('that was a month ahead and was set back stops no reading, and its traces are corrected without a restatement', async () => {
    const { id, organization } = await connected('A month ahead');
    const ahead = addDays(await workflowDay(), 30);
    await db.execute(sql`update connections set synced_at = ${`${ahead}T06:10:00Z`} where id = ${id}`);
    await db.execute(sql`
      insert into days (connection_id, report, day, state, reconciled, lines, total, digest, attempt, read_on, sync, written_by)
      select connection_id, report, day + 30, case when day + 30 < ${ahead}::date then 'final' else 'provisional' end,
        true, 0, 0, sha256(''), attempt, ${ahead}::date, sync, sync
      from days where connection_id = ${id}
    `);
    await db.execute(sql`
      update days set read_on = ${ahead}::date, state = 'final'
      where connection_id = ${id} and day between ${addDays(ahead, -32)}::date and ${addDays(ahead, -30)}::date
    `);
    await world.client.workflow.getHandle(connectionWorkflowId(id)).signal(wake);
    await until('it to be told', async () => (await eventsOf(db, id, 'clock')).length === 1);
    await isActiveAndExact(id, organization);
    const { future } = await row<{ future: number }>(
      db,
      sql`select count(*)::int as future from days where connection_id = ${id} and day > ${await workflowDay()}::date`,
    );
    expect(future).toBe(0);
    const read = (await syncs(id)).length;
    await passHours(24);
    await until('the daily sync', async () => (await syncs(id)).length > read);
    await becomes(id, 'active');
    expect(await eventsOf(db, id, 'restatement')).toEqual([]);
    expect(await eventsOf(db, id, 'clock')).toHaveLength(1);
  });
});
