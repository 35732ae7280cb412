import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS } from '../../domain/days.ts';
import { deleteChannel } from '../../db/notices/channels.ts';
import { DELIVERY_WORKFLOW, deliveryStart, deliveryWorkflowId } from '../../workflows/messages.ts';
import { FakeDoor, TARGETS, channelOf, deliveryOf, writeTo } from '../support/fake-door.ts';
import { record } from '../support/histories.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

const door = new FakeDoor();
let world: World;
beforeAll(async () => {
  world = await createWorld({ timeSkipping: true, door });
});
afterAll(() => world.close());
beforeEach(() => {
  door.told.length = 0;
  door.answer = () => ({ state: 'sent', reply: 'taken' });
  door.before = () => Promise.resolve();
});

/** Writes a delivery as of now by the workflows' clock, which may be days ahead of Postgres. */
async function written(kind: keyof typeof TARGETS, channelId?: string): Promise<string> {
  const { db } = world.database;
  const id = await writeTo(db, channelId ?? (await channelOf(db, world.ring, TARGETS[kind])));
  const now = new Date(await world.now()).toISOString();
  await db.execute(sql`update deliveries set queued_at = ${now}::timestamptz where id = ${id}`);
  return id;
}

async function started(id: string): Promise<void> {
  await world.client.workflow.start(DELIVERY_WORKFLOW, deliveryStart(world.taskQueue, { id, isAnew: false }));
}

async function ended(id: string): Promise<{ status: string; failure: string | null; type: string | null }> {
  const handle = world.client.workflow.getHandle(deliveryWorkflowId(id));
  const status = await until('the workflow to end', async () => {
    const { name } = (await handle.describe()).status;
    return name === 'RUNNING' ? null : name;
  });
  const { events } = await handle.fetchHistory();
  const failure = events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure;
  return { status, failure: failure?.message ?? null, type: failure?.applicationFailureInfo?.type ?? null };
}

/** Lets time pass until a delivery has been tried so often. */
async function tried(id: string, times: number): Promise<void> {
  await until(`try ${times}`, async () => {
    const { tries } = await deliveryOf(world.database.db, id);
    if (tries >= times) return true;
    await world.pass('30 seconds');
    return false;
  });
}

describe('a delivery', () => {
  it.each(['email', 'slack', 'teams', 'webhook', 'pagerduty'] as const)(
    'to %s is sent once, with its target opened',
    async (kind) => {
      const id = await written(kind);
      await started(id);
      expect(await ended(id)).toMatchObject({ status: 'COMPLETED' });
      expect(await deliveryOf(world.database.db, id)).toMatchObject({ state: 'sent', tries: 1, words: 'taken' });
      const expected = kind === 'email' ? { kind, address: 'ops@example.com' } : TARGETS[kind];
      expect(door.told).toMatchObject([
        {
          target: expected,
          message: { deliveryId: id, isClosed: false, content: { kind: 'test' }, data: { channel: 'Here' } },
        },
      ]);
      const { unsubscribeUrl } = door.told[0]?.message ?? {};
      if (kind === 'email') expect(unsubscribeUrl).toMatch(/^http:\/\/127\.0\.0\.1:8080\/unsubscribe\/[\w-]+\.[\w-]+$/);
      else expect(unsubscribeUrl).toBeNull();
      if (kind === 'email') await record(world.client, 'delivery-sent', deliveryWorkflowId(id));
    },
  );

  it('that gets no answer is tried for a day, fails with why in words, and says what it waits for meanwhile', async () => {
    door.answer = () => ({ state: 'retry', reason: '451 try again later', retryAfterMs: null });
    const id = await written('email');
    const beganMs = await world.now();
    await started(id);
    await until('the first try', async () => (await deliveryOf(world.database.db, id)).failures === 1);
    expect(await deliveryOf(world.database.db, id)).toMatchObject({ state: 'pending', words: '451 try again later' });
    for (let hours = 0; hours < 26; hours += 2) await world.pass('2 hours');
    const end = await ended(id);
    expect(end).toMatchObject({ status: 'FAILED', type: 'delivery_failed' });
    expect(end.failure).toMatch(
      /^email channel "email .+", "Test of the channel Here": failed after 3\d tries\. Not delivered within a day\. The last try: 451 try again later What to do: /,
    );
    const tries = door.told.length;
    expect(tries).toBeGreaterThan(30);
    expect((await world.now()) - beganMs).toBeGreaterThan(DAY_MS);
    expect(new Set(door.told.map(({ message }) => message.deliveryId))).toEqual(new Set([id]));
    await record(world.client, 'delivery-failed', deliveryWorkflowId(id));
  });

  it('waits as long as the other side asks', async () => {
    const times: number[] = [];
    door.answer = async () => {
      times.push(await world.now());
      return times.length === 1
        ? { state: 'retry', reason: '429', retryAfterMs: HOUR_MS }
        : { state: 'sent', reply: 'now' };
    };
    const id = await written('webhook');
    await started(id);
    await until('the first try', async () => (await deliveryOf(world.database.db, id)).failures === 1);
    await world.pass('59 minutes');
    expect(times).toHaveLength(1);
    await world.pass('2 minutes');
    await ended(id);
    expect(times).toHaveLength(2);
    await record(world.client, 'delivery-retried', deliveryWorkflowId(id));
  });

  it.each([
    ['email', 'unknown', 1],
    ['slack', 'unknown', 1],
    ['teams', 'unknown', 1],
    ['webhook', 'sent', 2],
    ['pagerduty', 'sent', 2],
  ] as const)('to %s that may have arrived ends as %s after %i messages', async (kind, state, times) => {
    door.answer = () =>
      door.told.length === 1 ? { state: 'unknown', reason: 'the connection broke' } : { state: 'sent', reply: 'ok' };
    const id = await written(kind);
    await started(id);
    if (times > 1) await tried(id, times);
    const end = await ended(id);
    expect(await deliveryOf(world.database.db, id)).toMatchObject({ state });
    expect(door.timesOf(id)).toBe(times);
    if (state === 'unknown') expect(end).toMatchObject({ status: 'FAILED', type: 'delivery_unknown' });
  });

  it.each([
    ['email', 'unknown', 0],
    ['webhook', 'sent', 1],
  ] as const)('to %s that somebody left in the middle of sending ends as %s', async (kind, state, times) => {
    const id = await written(kind);
    await world.database.db.execute(sql`update deliveries set state = 'sending', tries = 1 where id = ${id}`);
    await started(id);
    await ended(id);
    expect(await deliveryOf(world.database.db, id)).toMatchObject({ state });
    expect(door.timesOf(id)).toBe(times);
  });

  it('whose door fails before the message leaves is tried again', async () => {
    let calls = 0;
    door.before = () => {
      calls += 1;
      return calls === 1 ? Promise.reject(new Error('no route')) : Promise.resolve();
    };
    const id = await written('email');
    await started(id);
    await tried(id, 2);
    await ended(id);
    expect(await deliveryOf(world.database.db, id)).toMatchObject({ state: 'sent', tries: 2 });
    expect(door.timesOf(id)).toBe(1);
  });

  it('that is refused for good fails at once', async () => {
    door.answer = () => ({ state: 'failed', reason: '550 no such user' });
    const id = await written('email');
    await started(id);
    expect((await ended(id)).failure).toContain('failed after 1 try. 550 no such user');
    expect(door.timesOf(id)).toBe(1);
  });

  it('to an address that is gone disables its channel, and what waits for that ends with words', async () => {
    door.answer = () => ({ state: 'gone', reason: '410 gone' });
    const { db } = world.database;
    const channelId = await channelOf(db, world.ring, TARGETS.webhook);
    const [first, second] = [await written('webhook', channelId), await written('webhook', channelId)];
    await started(first);
    await ended(first);
    await started(second);
    await ended(second);
    expect(await deliveryOf(db, second)).toMatchObject({ state: 'failed', words: 'The channel is disabled. 410 gone' });
    expect(door.told).toHaveLength(1);
  });

  it('that waits for a channel that somebody deletes ends with words', async () => {
    door.answer = () => ({ state: 'retry', reason: '503', retryAfterMs: HOUR_MS });
    const { db } = world.database;
    const channelId = await channelOf(db, world.ring, TARGETS.webhook);
    const id = await written('webhook', channelId);
    await started(id);
    await until('the first try', async () => (await deliveryOf(db, id)).failures === 1);
    expect(await deleteChannel(db, channelId, 'Ada')).toBe(true);
    expect(await deliveryOf(db, id)).toMatchObject({ state: 'failed', words: 'The channel was deleted by Ada.' });
    await world.pass('2 hours');
    expect((await ended(id)).failure).toContain('The channel was deleted by Ada.');
    expect(door.told).toHaveLength(1);
  });

  it('that is older than a day when its workflow begins waits for a person', async () => {
    const id = await written('email');
    await world.database.db.execute(
      sql`update deliveries set queued_at = queued_at - interval '25 hours' where id = ${id}`,
    );
    await started(id);
    expect(await ended(id)).toMatchObject({ status: 'FAILED', type: 'delivery_held' });
    expect(await deliveryOf(world.database.db, id)).toMatchObject({ state: 'held', tries: 0 });
    expect(door.told).toEqual([]);
    await record(world.client, 'delivery-held', deliveryWorkflowId(id));
  });

  it('whose workflow is cancelled while it waits ends with words', async () => {
    door.answer = () => ({ state: 'retry', reason: '503', retryAfterMs: HOUR_MS });
    const id = await written('email');
    await started(id);
    await until('the first try', async () => (await deliveryOf(world.database.db, id)).failures === 1);
    await world.client.workflow.getHandle(deliveryWorkflowId(id)).cancel();
    expect(await ended(id)).toMatchObject({ status: 'CANCELLED' });
    expect(await deliveryOf(world.database.db, id)).toMatchObject({
      state: 'failed',
      words: 'Somebody cancelled its workflow in Temporal.',
    });
    await record(world.client, 'delivery-cancelled', deliveryWorkflowId(id));
  });

  it('that does not exist any more ends quietly', async () => {
    const id = randomUUID();
    await started(id);
    expect(await ended(id)).toMatchObject({ status: 'COMPLETED' });
  });

  it('shows no secret that the other side repeats', async () => {
    door.answer = (_message, target) => ({ state: 'failed', reason: `no ${JSON.stringify(target)} here` });
    for (const kind of ['slack', 'teams', 'webhook', 'pagerduty'] as const) {
      const id = await written(kind);
      await started(id);
      await ended(id);
      const { words } = await deliveryOf(world.database.db, id);
      expect(words).toMatch(/^no .*…/);
      expect(words).not.toContain('CANARY');
    }
  });

  it('whose secret does not open is tried again until it does', async () => {
    const { db } = world.database;
    const channelId = await channelOf(db, world.ring, TARGETS.slack);
    const other = await channelOf(db, world.ring, TARGETS.slack);
    const id = await written('slack', channelId);
    const sealedAs = (from: string): Promise<unknown> =>
      db.execute(
        sql`update channels set sealed = (select sealed from channels where id = ${from}) where id = ${channelId}`,
      );
    const [kept] = await db.execute(sql`select sealed from channels where id = ${channelId}`);
    await sealedAs(other);
    await started(id);
    await until('the first try', async () => (await deliveryOf(db, id)).failures === 1);
    expect((await deliveryOf(db, id)).words).toContain('METERLINE_ENCRYPTION_KEYS');
    await db.execute(sql`update channels set sealed = ${kept?.['sealed']} where id = ${channelId}`);
    await tried(id, 2);
    await ended(id);
    expect(await deliveryOf(db, id)).toMatchObject({ state: 'sent' });
  });
});
