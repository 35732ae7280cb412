import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { connectionDocument } from '../../api/connections/documents.ts';
import type { connection } from '../../api/connections/schemas.ts';
import { loadConnectionView } from '../../db/connections/views.ts';
import { discardCandidate } from '../../db/keys/discard.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import { connectionWorkflowId, syncWorkflowId } from '../../workflows/messages.ts';
import { eventsOf, keysOf, stateOf, syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

/** What an operator sees of a connection in the API and in Temporal's UI. */
let world: World;
beforeAll(async () => {
  world = await createWorld({ timeSkipping: false, simulator: { now: Date.now(), ticking: false } });
});
afterAll(() => world.close());

const settings = {
  syncHourUtc: 6,
  temporalUiUrl: null,
  temporalNamespace: 'default',
  waitMs: 0,
  droppedLogLines: () => 0,
  stopping: new AbortController().signal,
};

/** A connection as the API shows it at this moment. */
async function shown(id: string): Promise<z.input<typeof connection>> {
  const view = await loadConnectionView(world.database.db, id, dayOf(Date.now()));
  if (view === null) throw new Error('no such connection');
  return connectionDocument(view, { ...settings, now: Date.now });
}

function handleOf(id: string): WorkflowHandle {
  return world.client.workflow.getHandle(connectionWorkflowId(id));
}

/** What Temporal's UI shows as the current details. */
async function detailsOf(id: string): Promise<string> {
  const { currentDetails } = await handleOf(id).query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return currentDetails ?? '';
}

/** The labels of a connection's timers, in their order. */
async function timersOf(id: string): Promise<string[]> {
  const { events } = await handleOf(id).fetchHistory();
  return (events ?? []).flatMap(({ timerStartedEventAttributes: timer, userMetadata }) => {
    if (timer == null || userMetadata?.summary == null) return [];
    return [defaultPayloadConverter.fromPayload<string>(userMetadata.summary)];
  });
}

async function becomes(id: string, status: string): Promise<void> {
  await until(status, async () => (await stateOf(world.database.db, id)).status === status, 40_000);
}

/** An active connection that waits for its next daily sync. */
async function connected(name: string): Promise<{ id: string; key: string }> {
  const { control } = world.simulator;
  const organization = control.addOrganization({ name, keys: [{}] }).id;
  const key = control.keys().find((known) => known.organization === organization)?.key ?? '';
  const id = await world.connect({ key, name, backfillDays: 3 });
  await becomes(id, 'active');
  await until('it to wait', async () => (await timersOf(id)).at(-1)?.startsWith('active: '));
  return { id, key };
}

const INSTANT = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/;

describe('a sync that waits', () => {
  it('shows its cause, attempt and next try in the API, the details and the timeline, and nothing afterwards', async () => {
    const { id, key } = await connected('Waits');
    world.simulator.control.fault({ kind: 'status', status: 429, retryAfter: 8, report: 'cost', key });
    await world.signal(id, 'syncNow');
    const { waiting, last_sync, status, error } = await until('the wait', async () => {
      const document = await shown(id);
      return document.waiting === null ? null : document;
    });
    expect(waiting).toMatchObject({ error: { code: 'rate_limited' }, attempt: 1 });
    const leftMs = Date.parse(waiting?.next_try_at ?? '') - Date.now();
    expect(leftMs).toBeGreaterThan(1_000);
    expect(leftMs).toBeLessThanOrEqual(8_000);
    expect({ status, error }).toEqual({ status: 'active', error: null });
    expect(last_sync).toMatchObject({ state: 'running', waiting });
    const next = (waiting?.next_try_at ?? '').slice(0, 19).replace('T', ' ');
    const details = await until('the details', async () => {
      const text = await detailsOf(id);
      return text.includes('waits:') ? text : null;
    });
    expect(details).toContain(`\`rate_limited\`. Attempt 1 of 3 failed; the next one begins at ${next} UTC.`);
    const n = last_sync?.n ?? 0;
    await until('the timer', async () =>
      (await timersOf(id)).includes(`active: sync ${n} met rate_limited (attempt 1) and goes on at ${next} UTC`),
    );
    await until('the sync to end', async () => (await shown(id)).last_sync?.state === 'succeeded');
    expect(await shown(id)).toMatchObject({ waiting: null, last_sync: { waiting: null, kind: 'manual' } });
    await until('the details to follow', async () => !(await detailsOf(id)).includes('waits:'));
  });

  it('for more than three attempts fails, and the sync after it is still the one that somebody asked for', async () => {
    const { id, key } = await connected('Fails');
    world.simulator.control.fault({ kind: 'status', status: 503, report: 'cost', key, times: 3 });
    await world.signal(id, 'syncNow');
    await becomes(id, 'degraded');
    const { waiting, error, next_sync_at } = await shown(id);
    expect(waiting).toMatchObject({ error: { code: 'upstream_unavailable' }, attempt: 1, next_try_at: next_sync_at });
    expect(error?.code).toBe('upstream_unavailable');
    await becomes(id, 'active');
    const [failed, made] = (await syncsOf(world.database.db, id)).slice(-2);
    expect([failed?.kind, failed?.state, made?.kind, made?.state]).toEqual(['manual', 'failed', 'manual', 'succeeded']);
    expect((await shown(id)).waiting).toBeNull();
  });
});

describe('a candidate that Anthropic asked to wait for', () => {
  it('is tried again no sooner than that', async () => {
    const { id, key } = await connected('Asked to wait');
    world.simulator.control.fault({ kind: 'status', status: 429, retryAfter: 50, path: '/v1/organizations/me', key });
    const other = world.simulator.control.addKey({ organization: world.simulator.control.keys()[0]?.organization }).key;
    world.simulator.control.fault({ kind: 'status', status: 429, retryAfter: 50, key: other, times: 'always' });
    await world.signal(id, 'rotateKey', { keyId: await world.stage(id, other) });
    // The API shows it at once, and not only after three attempts.
    const { candidate } = await until('the first answer', async () => {
      const document = await shown(id);
      return document.candidate?.error == null ? null : document;
    });
    expect(candidate?.error?.code).toBe('rate_limited');
    const waitMs = Date.parse(candidate?.next_try_at ?? '') - Date.parse(candidate?.error?.at ?? '');
    expect(waitMs).toBe(50_000);
  });
});

describe('a failure', () => {
  it('keeps its cause, even if recording the traffic after it fails too', async () => {
    const { id, key } = await connected('Hidden');
    const { db } = world.database;
    await db.execute(sql`
      create function refuse_traffic() returns trigger language plpgsql as $$ begin
        raise exception 'no' using errcode = '54000';
      end $$
    `);
    await db.execute(
      sql`create trigger refuse_traffic before update of requests on syncs for each row execute function refuse_traffic()`,
    );
    world.simulator.control.fault({ kind: 'status', status: 503, key, times: 'always' });
    await world.signal(id, 'syncNow');
    await becomes(id, 'degraded');
    expect((await stateOf(db, id)).failure).toBe('upstream_unavailable');
    await db.execute(sql`drop trigger refuse_traffic on syncs`);
    world.simulator.control.clearFaults();
    await becomes(id, 'active');
  });
});

describe('a candidate about which Anthropic says nothing', () => {
  it('holds up a pause for seconds only, and is tried again later', { timeout: 90_000 }, async () => {
    const { id } = await connected('Silent');
    const { control } = world.simulator;
    const { key } = control.addKey({ organization: control.keys().at(-1)?.organization ?? '' });
    control.fault({ kind: 'stall_headers', key, times: 'always' });
    const keyId = await world.stage(id, key);
    await world.signal(id, 'rotateKey', { keyId });
    await until('it to be asked', () => control.faults().some(({ fired }) => fired > 0));
    await world.signal(id, 'pause');
    await until('paused', async () => (await stateOf(world.database.db, id)).status === 'paused', 45_000);
    const [candidate] = (await keysOf(world.database.db, id)).filter(({ state }) => state === 'candidate');
    expect(candidate?.failure).toBe('upstream_unavailable');
    expect((await shown(id)).candidate?.error).toMatchObject({ code: 'upstream_unavailable' });
    control.clearFaults();
  });
});

describe('a paused connection', () => {
  it('says so in its last timer, and names no instant', async () => {
    const { id } = await connected('Paused');
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    const last = await until('its timer', async () => {
      const timer = (await timersOf(id)).at(-1);
      return timer?.startsWith('paused: ') === true ? timer : null;
    });
    expect(last).toBe('paused: nothing until somebody resumes it (signal resume)');
    expect(await detailsOf(id)).toContain('**Next:** nothing until somebody resumes it');
    expect((await detailsOf(id)).split('**Next:**')[1]?.split('\n')[0]).not.toMatch(INSTANT);
  });
});

describe('an accepted signal', () => {
  it('adds an event each time it comes, whichever signal it is', async () => {
    const { id } = await connected('Signalled');
    const { db } = world.database;
    const today = dayOf(Date.now());
    const keyId = await world.stage(id, world.key);
    const told: [Parameters<World['signal']>[1], unknown, string][] = [
      ['syncNow', undefined, 'syncNow'],
      ['syncNow', { from: addDays(today, -1), to: today }, `syncNow for ${addDays(today, -1)} to ${today}`],
      ['pause', undefined, 'pause'],
      ['pause', undefined, 'pause'],
      ['resume', undefined, 'resume'],
      ['rotateKey', { keyId }, `rotateKey to the key ${keyId}`],
      ['rotateKey', { keyId }, `rotateKey to the key ${keyId}`],
      ['disconnect', { purge: true }, 'disconnect, and to delete what was read'],
    ];
    const expected: string[] = [];
    for (const [name, input, what] of told) {
      await world.signal(id, name, input);
      expected.push(`Received the signal ${what}.`);
      await until(what, async () => (await eventsOf(db, id, 'signal_received')).length === expected.length);
    }
    expect(await eventsOf(db, id, 'signal_received')).toEqual(expected);
    await becomes(id, 'disconnected');
  });

  it('that is sent several times at once adds as many events, and is carried out once', async () => {
    const { id } = await connected('At once');
    const { db } = world.database;
    await world.stopWorker();
    for (let count = 0; count < 4; count += 1) await world.signal(id, 'syncNow');
    await world.startWorker();
    await until('all events', async () => (await eventsOf(db, id, 'signal_received')).length === 4, 40_000);
    const made = await until('one sync, and nothing after it', async () => {
      const manual = (await syncsOf(db, id)).filter(({ kind }) => kind === 'manual');
      const isStill = (await timersOf(id)).at(-1)?.startsWith('active: ') === true;
      return isStill && manual.some(({ state }) => state === 'succeeded') ? manual : null;
    });
    expect(made).toHaveLength(1);
  });
});

describe('a rotation to a discarded key', () => {
  it('changes nothing, and says that it was discarded', async () => {
    const { id } = await connected('Discarded');
    const { db } = world.database;
    const keyId = await world.stage(id, world.key);
    expect(await discardCandidate(db, { connectionId: id, keyId }, 'ops')).toEqual({ outcome: 'discarded' });
    await world.signal(id, 'rotateKey', { keyId });
    const [told] = await until('an event', async () => {
      const events = await eventsOf(db, id, 'signal');
      return events.length > 0 ? events : null;
    });
    expect(told).toContain('was discarded and is destroyed, so nothing changed');
    expect((await keysOf(db, id)).map(({ state, sealed }) => [state, sealed])).toEqual([
      ['active', true],
      ['destroyed', false],
    ]);
  });
});

describe('the timeline of an ordinary sync', () => {
  it('has three lines in its connection, and nothing between it and its connection but its start and end', async () => {
    const { id } = await connected('Ordinary');
    const before = (await handleOf(id).fetchHistory()).events?.length ?? 0;
    await world.signal(id, 'syncNow');
    await until('it to wait again', async () => (await timersOf(id)).length === 2);
    const events = (await handleOf(id).fetchHistory()).events?.slice(before) ?? [];
    const lines = events.flatMap((event) => {
      const activity = event.activityTaskScheduledEventAttributes?.activityType?.name;
      const child = event.startChildWorkflowExecutionInitiatedEventAttributes?.workflowType?.name;
      const signal = event.workflowExecutionSignaledEventAttributes?.signalName;
      const timer = event.timerStartedEventAttributes == null ? undefined : 'timer';
      return [activity, child, signal, timer].filter((line) => line !== undefined && line !== null);
    });
    expect(lines).toEqual(['syncNow', 'loadConnection', 'sync', 'loadConnection', 'timer']);
    const n = (await syncsOf(world.database.db, id)).at(-1)?.n ?? 0;
    const sync = await world.client.workflow.getHandle(syncWorkflowId(id, n)).fetchHistory();
    expect(sync.events?.some((event) => event.signalExternalWorkflowExecutionInitiatedEventAttributes != null)).toBe(
      false,
    );
  });
});
