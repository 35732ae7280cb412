import { randomBytes, randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clearFailure, recordFailure } from '../../db/connections/failure.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { setStatus } from '../../db/connections/status.ts';
import type { Db } from '../../db/core/database.ts';
import { addEvent, recordSignals } from '../../db/connections/events.ts';
import { loadVerdict } from '../../db/keys/verdict.ts';
import { KeyUnreadableError, createKeyRing } from '../../db/keys/key-ring.ts';
import { addCandidate, deferKey, refuseKey } from '../../db/keys/candidates.ts';
import { destroyForgottenCandidates, discardCandidate } from '../../db/keys/discard.ts';
import { destroySuperseded } from '../../db/keys/ends.ts';
import { recordRotation } from '../../db/keys/rotation.ts';
import { recordKeyUse, openActiveKey, openCandidate } from '../../db/keys/open.ts';
import { acceptKey, restoreKey } from '../../db/keys/activate.ts';
import { keys } from '../../db/schema.ts';
import { takeSyncNumber } from '../../db/ledger/syncs.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { eventsOf, keysOf } from '../support/state.ts';
import { RING, SECRET, connect } from './support.ts';
import { adminKey, revealed } from '../support/admin-key.ts';
import { row, rows } from '../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** An organization for each test. */
let organization: { id: string; name: string };
beforeEach(() => {
  organization = { id: randomUUID(), name: 'Org' };
});

/** Every key that a connection ever had, oldest first. */
function listKeys(
  db: Db,
  connectionId: string,
): Promise<{ id: string; state: string; hint: string; failure: unknown }[]> {
  return db
    .select({ id: keys.id, state: keys.state, hint: keys.hint, failure: keys.failure })
    .from(keys)
    .where(eq(keys.connectionId, connectionId))
    .orderBy(keys.addedAt, keys.id);
}

const secretOf = (letter: string): string => `sk-ant-admin01-${'x'.repeat(30)}${letter.repeat(4)}`;

/** Stores a candidate whose last four characters are all `letter`. */
async function stage(connectionId: string, letter: string, requested = true): Promise<string> {
  const keyId = randomUUID();
  await addCandidate(database.db, RING, {
    connectionId,
    keyId,
    adminKey: adminKey(secretOf(letter)),
    requested,
    actor: 'ann',
  });
  return keyId;
}

async function rotate(connectionId: string, letter: string): Promise<string> {
  const keyId = await stage(connectionId, letter);
  expect(await acceptKey(database.db, { connectionId, keyId }, organization)).toEqual({ outcome: 'accepted' });
  return keyId;
}

async function started(): Promise<{ id: string; first: string }> {
  const { id, keyId } = await connect(database.db, { secret: secretOf('a') });
  await acceptKey(database.db, { connectionId: id, keyId }, organization);
  return { id, first: keyId };
}

/** The keys of a connection, oldest first, as `hint state`. A ciphertext is there exactly while a key may serve. */
async function states(connectionId: string): Promise<string[]> {
  const found = await keysOf(database.db, connectionId);
  for (const { state, sealed } of found) expect(sealed).toBe(!['refused', 'destroyed'].includes(state));
  return found.map(({ hint, state }) => `${hint} ${state}`);
}

/** The number of the last sync that was started. */
async function lastSync(id: string): Promise<number> {
  const { n } = await row<{ n: number }>(database.db, sql`select last_sync as n from connections where id = ${id}`);
  return n;
}

describe('a candidate', () => {
  it('is not used until it is accepted, and only its id opens it', async () => {
    const { id, first } = await started();
    const keyId = await stage(id, 'b', false);
    expect(revealed(await openActiveKey(database.db, RING, id))).toEqual({ keyId: first, text: secretOf('a') });
    expect(await openCandidate(database.db, RING, id, randomUUID())).toBeNull();
    expect(await openCandidate(database.db, RING, id, first)).toBeNull();
    expect(revealed(await openCandidate(database.db, RING, id, keyId))).toEqual({ keyId, text: secretOf('b') });
    expect(await listKeys(database.db, id)).toEqual([
      { id: first, state: 'active', hint: 'aaaa', failure: null },
      { id: keyId, state: 'candidate', hint: 'bbbb', failure: null },
    ]);
  });

  it('is nowhere in the clear', async () => {
    const { id } = await connect(database.db, { secret: SECRET });
    const { text } = await row<{ text: string }>(
      database.db,
      sql`
        select coalesce(string_agg(t.text, ' '), '') as text from (
          select k::text from keys k where connection_id = ${id}
          union all select e::text from events e where connection_id = ${id}
          union all select c::text from connections c where id = ${id}
        ) t(text)
      `,
    );
    expect(text).toContain(id);
    for (const encoding of ['utf8', 'hex', 'base64'] as const) {
      expect(text).not.toContain(Buffer.from(SECRET).toString(encoding).slice(0, 24));
    }
    expect(text).not.toContain(SECRET.slice(0, 24));
  });

  it('that got no answer stays a candidate, and its attempts are counted', async () => {
    const { id, first } = await started();
    const keyId = await stage(id, 'b');
    const failure = { code: 'upstream_unavailable', detail: 'HTTP 503' } as const;
    for (const at of [1_000, 2_000]) await deferKey(database.db, { connectionId: id, keyId }, failure, at);
    const found = await row(
      database.db,
      sql`select state, tries, tried_at = to_timestamp(2) as at, failure from keys where id = ${keyId}`,
    );
    expect(found).toEqual({ state: 'candidate', tries: 2, at: true, failure });
    await deferKey(database.db, { connectionId: id, keyId: first }, failure, 1_000);
    expect((await listKeys(database.db, id))[0]).toMatchObject({ state: 'active', failure: null });
  });

  it('that is refused is destroyed, and the active one goes on', async () => {
    const { id, first } = await started();
    const keyId = await stage(id, 'b');
    const failure = { code: 'key_invalid', requestId: 'req_1' } as const;
    await refuseKey(database.db, { connectionId: id, keyId }, failure, 'It is wrong.');
    expect(await states(id)).toEqual(['aaaa active', 'bbbb refused']);
    expect((await listKeys(database.db, id))[1]).toMatchObject({ failure });
    expect(await acceptKey(database.db, { connectionId: id, keyId }, organization)).toEqual({ outcome: 'gone' });
    await refuseKey(database.db, { connectionId: id, keyId: first }, failure, 'It is wrong.');
    await refuseKey(database.db, { connectionId: id, keyId }, failure, 'It is wrong.');
    expect((await openActiveKey(database.db, RING, id))?.keyId).toBe(first);
    expect(await eventsOf(database.db, id, 'key_refused')).toEqual(['Key …bbbb is refused: It is wrong.']);
  });

  it('that nobody asked to use for a day is destroyed, and no other', async () => {
    const { id } = await started();
    const forgotten = await stage(id, 'b', false);
    const asked = await stage(id, 'c', true);
    await stage(id, 'd', false);
    await database.db.execute(
      sql`update keys set added_at = now() - interval '24 hours 1 second' where id in (${forgotten}, ${asked})`,
    );
    expect(await destroyForgottenCandidates(database.db)).toBe(1);
    expect(await destroyForgottenCandidates(database.db)).toBe(0);
    expect((await states(id)).sort()).toEqual(['aaaa active', 'bbbb destroyed', 'cccc candidate', 'dddd candidate']);
    expect(await eventsOf(database.db, id, 'key_destroyed')).toHaveLength(1);
  });

  it('that was opened once counts as asked for', async () => {
    const { id } = await started();
    const keyId = await stage(id, 'b', false);
    await openCandidate(database.db, RING, id, keyId);
    await database.db.execute(sql`update keys set added_at = now() - interval '2 days' where id = ${keyId}`);
    expect(await destroyForgottenCandidates(database.db)).toBe(0);
  });
});

describe('an accepted key', () => {
  it('stores the organization with the first key, and adds an event', async () => {
    const { id } = await started();
    const found = await row(
      database.db,
      sql`select organization_id, organization_name from connections where id = ${id}`,
    );
    expect(found).toEqual({ organization_id: organization.id, organization_name: 'Org' });
    expect(await eventsOf(database.db, id, 'organization')).toHaveLength(1);
    expect(await eventsOf(database.db, id, 'key_active')).toEqual(['Key …aaaa serves from now on.']);
  });

  it('replaces the active key, which is kept until a sync succeeded with the new one alone', async () => {
    const { id } = await started();
    const second = await rotate(id, 'b');
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb active']);
    await destroySuperseded(database.db, id, await lastSync(id));
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb active']);
    await destroySuperseded(database.db, id, (await lastSync(id)) + 1);
    expect(await states(id)).toEqual(['aaaa destroyed', 'bbbb active']);
    expect((await openActiveKey(database.db, RING, id))?.keyId).toBe(second);
  });

  it('follows the order of the keys: a clock that steps back changes neither which key is overtaken nor which is proven', async () => {
    const { id } = await started();
    const n = await takeSyncNumber(database.db, id);
    const waiting = await stage(id, 'd');
    await deferKey(database.db, { connectionId: id, keyId: waiting }, { code: 'upstream_unavailable' }, 0);
    await database.db.execute(sql`
      update keys set requested_at = now() + interval '1 day', activated_at = activated_at + interval '1 day'
      where connection_id = ${id} and (activated_at is not null or id = ${waiting})
    `);
    await rotate(id, 'e');
    expect(await states(id)).toEqual(['aaaa superseded', 'dddd destroyed', 'eeee active']);
    await database.db.execute(sql`
      update keys set activated_at = now() + interval '1 day' where connection_id = ${id} and state = 'active'
    `);
    await destroySuperseded(database.db, id, n);
    expect(await states(id)).toEqual(['aaaa superseded', 'dddd destroyed', 'eeee active']);
    await destroySuperseded(database.db, id, await takeSyncNumber(database.db, id));
    expect(await states(id)).toEqual(['aaaa destroyed', 'dddd destroyed', 'eeee active']);
  });

  it('accepted twice is accepted once', async () => {
    const { id } = await started();
    const second = await rotate(id, 'b');
    expect(await acceptKey(database.db, { connectionId: id, keyId: second }, organization)).toEqual({
      outcome: 'gone',
    });
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb active']);
    expect(await eventsOf(database.db, id, 'key_active')).toHaveLength(2);
  });

  it('may be one of several before the first success, and all of them are kept until then', async () => {
    const { id } = await started();
    for (const letter of ['b', 'c', 'd']) await rotate(id, letter);
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb superseded', 'cccc superseded', 'dddd active']);
    await destroySuperseded(database.db, id, (await lastSync(id)) + 1);
    expect(await states(id)).toEqual(['aaaa destroyed', 'bbbb destroyed', 'cccc destroyed', 'dddd active']);
  });

  it('that was asked for before another that is accepted, and got no answer, is overtaken for good', async () => {
    const { id } = await started();
    const waiting = await stage(id, 'd');
    await deferKey(database.db, { connectionId: id, keyId: waiting }, { code: 'upstream_unavailable' }, 0);
    const unasked = await stage(id, 'e', false);
    await rotate(id, 'f');
    expect(await states(id)).toEqual(['aaaa superseded', 'dddd destroyed', 'eeee candidate', 'ffff active']);
    expect(await acceptKey(database.db, { connectionId: id, keyId: waiting }, organization)).toEqual({
      outcome: 'gone',
    });
    expect(await openCandidate(database.db, RING, id, unasked)).not.toBeNull();
  });

  it('that is rejected before its first success gives way to the one it replaced, down to the first', async () => {
    const { id, first } = await started();
    const second = await rotate(id, 'b');
    const third = await rotate(id, 'c');
    await recordFailure(database.db, id, { failure: { code: 'key_invalid' }, keyId: third, nowMs: 0 });
    await restoreKey(database.db, id, second, 'key_invalid');
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb superseded', 'cccc active']);
    await restoreKey(database.db, id, third, 'key_invalid');
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb active', 'cccc refused']);
    expect(await row(database.db, sql`select failure, failure_count from connections where id = ${id}`)).toEqual({
      failure: null,
      failure_count: 0,
    });
    await restoreKey(database.db, id, third, 'key_invalid');
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb active', 'cccc refused']);
    await restoreKey(database.db, id, second, 'key_invalid');
    await restoreKey(database.db, id, first, 'key_invalid');
    expect(await states(id)).toEqual(['aaaa active', 'bbbb refused', 'cccc refused']);
    expect(revealed(await openActiveKey(database.db, RING, id))).toEqual({ keyId: first, text: secretOf('a') });
    expect(await eventsOf(database.db, id, 'key_restored')).toHaveLength(2);
  });

  it('clears the failure of the key before it, but not the failure of a sync', async () => {
    const { id, first } = await started();
    const failure = async (): Promise<unknown> =>
      row(database.db, sql`select failure ->> 'code' as code from connections where id = ${id}`);
    await recordFailure(database.db, id, { failure: { code: 'upstream_unavailable' }, keyId: null, nowMs: 0 });
    await rotate(id, 'b');
    expect(await failure()).toEqual({ code: 'upstream_unavailable' });
    await setStatus(database.db, id, 'discovering');
    await setStatus(database.db, id, 'awaiting_key');
    await recordFailure(database.db, id, { failure: { code: 'key_invalid' }, keyId: first, nowMs: 0 });
    await rotate(id, 'c');
    expect(await failure()).toEqual({ code: null });
    await clearFailure(database.db, id);
  });

  it('that is no longer a candidate answers with what became of it', async () => {
    const { id, first } = await started();
    const replaced = await rotate(id, 'B');
    await destroySuperseded(database.db, id, (await lastSync(id)) + 1);
    const forgotten = await stage(id, 'C', false);
    await database.db.execute(sql`update keys set added_at = now() - interval '25 hours' where id = ${forgotten}`);
    await destroyForgottenCandidates(database.db);
    const overtaken = await stage(id, 'D');
    const serving = await rotate(id, 'E');
    const refused = await stage(id, 'F');
    await refuseKey(database.db, { connectionId: id, keyId: refused }, { code: 'key_invalid' }, 'no');
    for (const keyId of [first, replaced, forgotten, overtaken, serving, refused, randomUUID()]) {
      await recordRotation(database.db, id, keyId);
    }
    expect(await eventsOf(database.db, id, 'signal')).toEqual([
      'rotateKey: key …aaaa was replaced by a later key and is destroyed, so nothing changed',
      'rotateKey: key …BBBB was replaced by a later key, so nothing changed',
      'rotateKey: key …CCCC was not used in time and is destroyed, so nothing changed',
      'rotateKey: key …DDDD was destroyed because Anthropic accepted a later key first, so nothing changed',
      'rotateKey: key …EEEE is in use already, so nothing changed',
      'rotateKey: key …FFFF was refused with key_invalid, so nothing changed',
      'rotateKey: this connection has no key with this id, so nothing changed',
    ]);
  });

  it('of another organization changes nothing', async () => {
    const { id } = await started();
    const keyId = await stage(id, 'b');
    const other = { id: randomUUID(), name: 'Other' };
    expect(await acceptKey(database.db, { connectionId: id, keyId }, other)).toEqual({
      outcome: 'organization_mismatch',
    });
    expect(await states(id)).toEqual(['aaaa active', 'bbbb candidate']);
  });

  it('records when it was last used', async () => {
    const { id, first } = await started();
    await database.db.execute(sql`update keys set last_used_at = null where id = ${first}`);
    await recordKeyUse(database.db, id, first);
    expect(await row(database.db, sql`select last_used_at is not null as used from keys where id = ${first}`)).toEqual({
      used: true,
    });
  });
});

describe('an organization', () => {
  it('connected twice at the same instant is connected once, and the other attempt learns the id of that connection', async () => {
    for (let round = 0; round < 10; round += 1) {
      const one = { id: randomUUID(), name: 'Org' };
      const pair = [await connect(database.db), await connect(database.db)];
      const outcomes = await Promise.all(
        pair.map(({ id, keyId }) => acceptKey(database.db, { connectionId: id, keyId }, one)),
      );
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['accepted', 'already_connected']);
      const winner = pair[outcomes.findIndex(({ outcome }) => outcome === 'accepted')];
      expect(outcomes).toContainEqual({ outcome: 'already_connected', connectionId: winner?.id });
      const [held] = await rows(
        database.db,
        sql`select count(*)::int as connections from connections where organization_id = ${one.id}`,
      );
      expect(held).toEqual({ connections: 1 });
    }
  });

  it('can be connected again once it was disconnected', async () => {
    const { id } = await started();
    const next = await connect(database.db);
    const key = { connectionId: next.id, keyId: next.keyId };
    expect(await acceptKey(database.db, key, organization)).toEqual({ outcome: 'already_connected', connectionId: id });
    expect(await states(next.id)).toEqual([`${SECRET.slice(-4)} candidate`]);
    await disconnect(database.db, id, false);
    expect(await acceptKey(database.db, key, organization)).toEqual({ outcome: 'accepted' });
  });
});

describe('a connection that ends', () => {
  it.each([false, true])('destroys every key and accepts no other afterwards (purge: %s)', async (purge) => {
    const { id } = await started();
    await rotate(id, 'b');
    const candidate = await stage(id, 'c');
    const refused = await stage(id, 'd');
    await refuseKey(database.db, { connectionId: id, keyId: refused }, { code: 'key_invalid' }, 'No.');
    await disconnect(database.db, id, purge);
    expect(await states(id)).toEqual(['aaaa destroyed', 'bbbb destroyed', 'cccc destroyed', 'dddd refused']);
    expect(await acceptKey(database.db, { connectionId: id, keyId: candidate }, organization)).toEqual({
      outcome: 'gone',
    });
    expect(await openActiveKey(database.db, RING, id)).toBeNull();
    expect(await openCandidate(database.db, RING, id, candidate)).toBeNull();
    await restoreKey(database.db, id, candidate, 'key_invalid');
    expect(await openActiveKey(database.db, RING, id)).toBeNull();
  });

  it('because its first key was refused destroys its other candidates', async () => {
    const { id, keyId } = await connect(database.db);
    await stage(id, 's', false);
    await refuseKey(database.db, { connectionId: id, keyId }, { code: 'key_invalid' }, 'No.');
    await setStatus(database.db, id, 'refused');
    expect((await keysOf(database.db, id)).map(({ state, sealed }) => [state, sealed])).toEqual([
      ['refused', false],
      ['destroyed', false],
    ]);
  });
});

describe('a stored key', () => {
  it('that was moved to another row does not open there', async () => {
    const [one, two] = [await started(), await connect(database.db, { organization: randomUUID() })];
    await database.db.execute(sql`
      update keys set (sealed, encryption_key_id) = (select sealed, encryption_key_id from keys where id = ${one.first}) where id = ${two.keyId}
    `);
    await expect(openActiveKey(database.db, RING, two.id)).rejects.toThrow(KeyUnreadableError);
    expect((await openActiveKey(database.db, RING, one.id))?.adminKey.reveal()).toBe(secretOf('a'));
  });

  it('does not open under another ring', async () => {
    const { id, first } = await started();
    const other = createKeyRing([{ id: 'test', key: randomBytes(32) }]);
    await expect(openActiveKey(database.db, other, id)).rejects.toMatchObject({
      name: 'KeyUnreadableError',
      keyId: first,
    });
  });

  it('is the only active one, and has no ciphertext after its end: constraints hold both', async () => {
    const { id, first } = await started();
    const keyId = await stage(id, 'b');
    const refusedBy = async (statement: ReturnType<typeof sql>, constraint: string): Promise<void> => {
      await expect(database.db.execute(statement)).rejects.toMatchObject({ cause: { constraint_name: constraint } });
    };
    const serving = sql`state = 'active', activated_at = now(), activated_no = 1, activated_sync = 0`;
    await refusedBy(sql`update keys set ${serving} where id = ${keyId}`, 'keys_one_active');
    const ended = sql`state = 'destroyed', end_reason = 'discarded', ended_at = now()`;
    await refusedBy(sql`update keys set ${ended} where id = ${first}`, 'keys_sealed');
    await refusedBy(sql`update keys set sealed = null, encryption_key_id = null where id = ${first}`, 'keys_sealed');
    await refusedBy(sql`update keys set encryption_key_id = null where id = ${first}`, 'keys_encryption_key');
    await refusedBy(sql`update keys set state = 'lost', ended_at = now() where id = ${first}`, 'keys_state');
  });
});

describe('a discarded candidate', () => {
  const discard = (connectionId: string, keyId: string) =>
    discardCandidate(database.db, { connectionId, keyId }, 'ops');

  it('leaves no ciphertext and one event with its actor, however often it is discarded', async () => {
    const { id } = await started();
    const keyId = await stage(id, 'b', false);
    expect(await Promise.all([1, 2, 3].map(() => discard(id, keyId)))).toEqual(
      Array.from({ length: 3 }, () => ({ outcome: 'discarded' })),
    );
    expect(await states(id)).toEqual(['aaaa active', 'bbbb destroyed']);
    const told = await rows<{ actor: string; message: string }>(
      database.db,
      sql`select actor, message from events where connection_id = ${id} and type = 'key_destroyed'`,
    );
    expect(told).toEqual([{ actor: 'ops', message: `Candidate ${keyId}, key …bbbb, was discarded; it is destroyed.` }]);
    await recordRotation(database.db, id, keyId);
    expect(await eventsOf(database.db, id, 'signal')).toEqual([
      'rotateKey: key …bbbb was discarded and is destroyed, so nothing changed',
    ]);
  });

  it('is never an active, superseded, only or unknown key; discarding an ended key again changes nothing', async () => {
    const { id, first } = await started();
    const serving = await rotate(id, 'b');
    const refused = await stage(id, 'c');
    await refuseKey(database.db, { connectionId: id, keyId: refused }, { code: 'key_invalid' }, 'no');
    expect(await discard(id, first)).toEqual({ outcome: 'superseded' });
    expect(await discard(id, serving)).toEqual({ outcome: 'active' });
    expect(await discard(id, refused)).toEqual({ outcome: 'discarded' });
    expect(await discard(id, randomUUID())).toEqual({ outcome: 'unknown' });
    expect(await states(id)).toEqual(['aaaa superseded', 'bbbb active', 'cccc refused']);
    const { id: young, keyId } = await connect(database.db, { secret: secretOf('f') });
    expect(await discard(young, keyId)).toEqual({ outcome: 'only_key' });
    const another = await stage(young, 'g');
    expect(await discard(young, keyId)).toEqual({ outcome: 'discarded' });
    expect(await discard(young, another)).toEqual({ outcome: 'only_key' });
  });

  it('that is accepted at the same moment is either discarded or active, and the connection keeps a key', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const own = { id: randomUUID(), name: 'Org' };
        const { id, keyId } = await connect(database.db, { secret: secretOf('a') });
        await acceptKey(database.db, { connectionId: id, keyId }, own);
        const next = await stage(id, 'b');
        const [accepted, discarded] = await Promise.all([
          acceptKey(database.db, { connectionId: id, keyId: next }, own),
          discard(id, next),
        ]);
        return [accepted.outcome, discarded.outcome, ...(await states(id))].join(', ');
      }),
    );
    for (const outcome of outcomes) {
      expect([
        'accepted, active, aaaa superseded, bbbb active',
        'gone, discarded, aaaa active, bbbb destroyed',
      ]).toContain(outcome);
    }
  });
});

describe('a verdict', () => {
  it('on an overtaken key names the later key, and when that became active', async () => {
    const { id } = await started();
    const overtaken = await stage(id, 'b');
    const later = await rotate(id, 'c');
    expect(await loadVerdict(database.db, id, overtaken)).toMatchObject({
      keyState: 'destroyed',
      endReason: 'overtaken',
      overtakenBy: { keyId: later, hint: 'cccc', atMs: expect.any(Number) as number },
    });
    await disconnect(database.db, id, false);
    expect(await loadVerdict(database.db, id, later)).toMatchObject({
      endReason: 'connection_ended',
      overtakenBy: null,
    });
  });
});

describe('the event of a signal', () => {
  it('is stored once, however often its activity runs, and only for a connection that exists', async () => {
    const { id } = await started();
    for (const dedupKey of ['run 1', 'run 1', 'run 2']) {
      await recordSignals(database.db, id, ['pause', 'pause', 'resume'], dedupKey);
      await recordSignals(database.db, randomUUID(), ['pause'], dedupKey);
      await addEvent(database.db, id, { type: 'signal', message: 'pause: it is paused already', dedupKey });
    }
    const once = ['pause', 'pause', 'resume'].map((name) => `Received the signal ${name}.`);
    expect(await eventsOf(database.db, id, 'signal_received')).toEqual([...once, ...once]);
    expect(await eventsOf(database.db, id, 'signal')).toHaveLength(2);
  });
});
