import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Db } from '../../db/core/database.ts';
import { claimDelivery, markSending, recordOutcome, type Attempt, type Claimant } from '../../db/notices/attempts.ts';
import { changeChannel, unsubscribe } from '../../db/notices/channels.ts';
import { withdrawNotice } from '../../db/notices/outbox.ts';
import { listOverdueDeliveries, resendDelivery } from '../../db/notices/starts.ts';
import { createKeyRing } from '../../db/keys/key-ring.ts';
import { rewrapChannels } from '../../db/notices/stored-channels.ts';
import { checkStoredKeys, describeStoredKeysCheck } from '../../db/keys/stored-keys.ts';
import { TARGETS, channelOf, deliveryOf, writeTo } from '../support/fake-door.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import { RING } from './support.ts';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
});
afterAll(() => database.close());

function claimant(runId = 'run', isStart = true): Claimant {
  return { runId, isStart, nowMs: Date.now() };
}

async function written(kind: keyof typeof TARGETS): Promise<string> {
  return writeTo(db, await channelOf(db, RING, TARGETS[kind]));
}

async function claimed(id: string, by = claimant()): Promise<Attempt> {
  const claim = await claimDelivery(db, id, by);
  if (claim.next !== 'send') throw new Error(`the claim says ${claim.next}`);
  return claim.attempt;
}

const sent = { state: 'sent', reply: '250 ok' } as const;

describe('a try', () => {
  it('of a withdrawal has the time of the withdrawal, and one of the opening that of the opening', async () => {
    const id = await written('email');
    await db.execute(sql`
      update notices set opened_at = opened_at - interval '3 days', closed_at = null
      where id = (select notice_id from deliveries where id = ${id})
    `);
    await db.execute(sql`update deliveries set created_at = created_at - interval '3 days' where id = ${id}`);
    const { notice, at } = await claimed(id);
    await recordOutcome(db, await claimed(id), sent, claimant());
    const beganAt = Date.now();
    await db.transaction((tx) => withdrawNotice(tx, notice.id, 'It was wrong.'));
    const [withdrawal] = await rows<{ id: string; at: string }>(
      db,
      sql`
        select d.id, n.withdrawn_at as at from deliveries d join notices n on n.id = d.notice_id
        where d.notice_id = ${notice.id} and d.occasion = 'withdrawn'
      `,
    );
    const attempt = await claimed(withdrawal?.id ?? '');
    expect(attempt.at).toEqual(new Date(withdrawal?.at ?? ''));
    expect(attempt.at.getTime() - at.getTime()).toBeGreaterThan(2 * 86_400_000);
    expect(Math.abs(attempt.at.getTime() - beganAt)).toBeLessThan(3_600_000);
  });

  it('that another one followed must not send any more, and changes nothing', async () => {
    const id = await written('email');
    const [first, second] = [await claimed(id), await claimed(id)];
    await expect(markSending(db, first)).rejects.toThrow('Another try');
    await recordOutcome(db, first, { state: 'failed', reason: 'late' }, claimant());
    expect(await deliveryOf(db, id)).toMatchObject({ state: 'pending', tries: 2, words: null });
    await markSending(db, second);
    await recordOutcome(db, second, sent, claimant());
    await recordOutcome(db, first, { state: 'failed', reason: 'late' }, claimant());
    expect(await deliveryOf(db, id)).toMatchObject({ state: 'sent', tries: 2, words: '250 ok' });
    await expect(markSending(db, second)).rejects.toThrow('Another try');
  });

  it('of many that ask at once sends alone', async () => {
    const id = await written('email');
    const attempts = await Promise.all([1, 2, 3, 4].map(() => claimed(id)));
    const marked = await Promise.allSettled(attempts.map((attempt) => markSending(db, attempt)));
    expect(marked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('that was taken for lost makes an unknown delivery a sent one, if its answer comes after all', async () => {
    const id = await written('email');
    const attempt = await claimed(id);
    await markSending(db, attempt);
    expect(await claimDelivery(db, id, claimant())).toMatchObject({ next: 'nothing', shown: { state: 'unknown' } });
    await recordOutcome(db, attempt, sent, claimant());
    expect(await deliveryOf(db, id)).toMatchObject({ state: 'sent' });
  });

  it('is not taken up by the run that recorded the end, but by one that a person reset', async () => {
    const id = await written('email');
    await recordOutcome(db, await claimed(id), { state: 'failed', reason: 'no' }, claimant());
    expect((await claimDelivery(db, id, claimant())).next).toBe('nothing');
    expect((await claimDelivery(db, id, claimant('another', false))).next).toBe('nothing');
    expect((await claimDelivery(db, id, claimant('another'))).next).toBe('send');
  });

  it('of a delivery that was sent is never taken up, whoever asks', async () => {
    const id = await written('webhook');
    const attempt = await claimed(id);
    await markSending(db, attempt);
    await recordOutcome(db, attempt, sent, claimant());
    for (const by of [claimant(), claimant('another')]) {
      expect(await claimDelivery(db, id, by)).toMatchObject({ next: 'nothing', shown: { state: 'sent' } });
    }
    expect(await resendDelivery(db, id, 'Ada')).toEqual({ outcome: 'refused', state: 'sent' });
  });

  it('in a chat waits while another one of its channel is taken, and goes on once that ended', async () => {
    const channelId = await channelOf(db, RING, TARGETS.teams);
    const [first, second] = [await writeTo(db, channelId), await writeTo(db, channelId)];
    const attempt = await claimed(first);
    expect(await claimDelivery(db, second, claimant())).toMatchObject({ next: 'wait', waitMs: 1_000 });
    await recordOutcome(db, attempt, { state: 'retry', reason: '429', retryAfterMs: 60_000 }, claimant());
    expect((await claimDelivery(db, second, claimant())).next).toBe('wait');
    const again = await claimed(first);
    await markSending(db, again);
    await recordOutcome(db, again, sent, claimant());
    expect((await claimDelivery(db, second, claimant())).next).toBe('send');
  });

  it.each([
    ['a reader unsubscribed', (id: string) => unsubscribe(db, id, 'OPS@example.com'), /unsubscribed/],
    [
      'an address was removed',
      (id: string) => changeChannel(db, RING, id, { target: () => ({ kind: 'email', to: ['b@example.com'] }) }, 'Ada'),
      /does not have this address/,
    ],
    [
      'somebody disabled the channel',
      (id: string) => changeChannel(db, RING, id, { enabled: false }, 'Ada'),
      /Disabled by Ada/,
    ],
  ])('is not made after %s', async (_, change, words) => {
    const channelId = await channelOf(db, RING, TARGETS.email);
    const id = await writeTo(db, channelId);
    expect(await change(channelId)).toBe(true);
    expect((await claimDelivery(db, id, claimant())).next).toBe('nothing');
    expect(await deliveryOf(db, id)).toMatchObject({
      state: 'failed',
      tries: 0,
      words: expect.stringMatching(words) as string,
    });
  });

  it('keeps words of any kind as one short line', async () => {
    const id = await written('email');
    await recordOutcome(
      db,
      await claimed(id),
      { state: 'failed', reason: `a\0b\r\n\ud800${'é'.repeat(900)}` },
      claimant(),
    );
    const { words } = await deliveryOf(db, id);
    expect(words).toMatch(/^a b é+$/);
    expect(Array.from(words ?? '')).toHaveLength(500);
  });
});

describe('a delivery that no workflow has looked at', () => {
  it('is overdue after ten seconds, and after a minute while others are sent', async () => {
    const id = await written('email');
    const isOverdue = async (seconds: number): Promise<boolean> => {
      await db.execute(
        sql`update deliveries set queued_at = now() - make_interval(secs => ${seconds}) where id = ${id}`,
      );
      return (await listOverdueDeliveries(db, [])).some((overdue) => overdue.id === id);
    };
    await db.execute(sql`update deliveries set ended_at = now() - interval '11 seconds' where ended_at is not null`);
    expect([await isOverdue(9), await isOverdue(15)]).toEqual([false, true]);
    const other = await claimed(await written('email'));
    await markSending(db, other);
    await recordOutcome(db, other, sent, claimant());
    expect([await isOverdue(15), await isOverdue(65)]).toEqual([false, true]);
  });
});

describe('the secret of a channel', () => {
  it('is sealed anew under another encryption key, and a check names the channel that does not open', async () => {
    const [old, young] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const before = createKeyRing([{ id: 'old', key: old }]);
    const both = createKeyRing([
      { id: 'young', key: young },
      { id: 'old', key: old },
    ]);
    await db.execute('truncate channels cascade');
    await channelOf(db, before, TARGETS.slack, 'Chat');
    await channelOf(db, before, TARGETS.email);
    expect(await rewrapChannels(db, both)).toEqual({ rewrapped: 1, left: [] });
    expect(await rewrapChannels(db, both)).toEqual({ rewrapped: 0, left: [] });
    const alone = createKeyRing([{ id: 'young', key: young }]);
    expect(await checkStoredKeys(db, alone)).toMatchObject({
      uses: [{ encryptionKeyId: 'young', keys: 1 }],
      unreadableChannels: [],
    });
    const check = await checkStoredKeys(db, before);
    expect(check.unreadableChannels).toMatchObject([{ name: 'Chat', encryptionKeyId: 'young' }]);
    expect(describeStoredKeysCheck(check, before)).toMatchObject({ level: 'error' });
    expect(await rewrapChannels(db, before)).toMatchObject({ rewrapped: 0, left: [{ name: 'Chat' }] });
  });
});
