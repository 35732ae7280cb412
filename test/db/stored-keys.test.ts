import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createConnection } from '../../db/connections/connections.ts';
import { openDatabase, type Db } from '../../db/core/database.ts';
import { createKeyRing, type KeyRing } from '../../db/keys/key-ring.ts';
import { destroyAllKeys } from '../../db/keys/ends.ts';
import { addCandidate } from '../../db/keys/candidates.ts';
import { openActiveKey, openCandidate } from '../../db/keys/open.ts';
import { acceptKey } from '../../db/keys/activate.ts';
import { keys } from '../../db/schema.ts';
import {
  checkStoredKeys,
  rewrapStoredKeys,
  describeStoredKeysCheck,
  type StoredKey,
} from '../../db/keys/stored-keys.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/wait.ts';
import { TODAY, count, promised, waiting } from './support.ts';
import { adminKey, revealed } from '../support/admin-key.ts';
import { rows } from '../support/rows.ts';

const [OLD, NEW, LOST] = ['old', 'new', 'lost'].map((id) => ({ id, key: randomBytes(32) }));
const ringOf = (...entries: (typeof OLD)[]): KeyRing =>
  createKeyRing(entries.flatMap((entry) => (entry === undefined ? [] : [entry])));
const old = ringOf(OLD);
const moving = ringOf(NEW, OLD);
const moved = ringOf(NEW);
const lost = ringOf(LOST);
const SECRET = `sk-ant-admin01-${'canary'.repeat(10)}`;

let database: TestDatabase;
let db: Db;
beforeEach(async () => {
  database = await testDatabase();
  db = database.db;
});
afterEach(() => database.close());

/** A connection whose first key, not yet accepted, is sealed by a ring. */
async function connected(ring: KeyRing, name = 'Acme', id = randomUUID()): Promise<{ id: string; keyId: string }> {
  const keyId = randomUUID();
  await createConnection(db, ring, {
    id,
    name,
    began: TODAY,
    backfillTo: TODAY,
    keyId,
    adminKey: adminKey(`${SECRET}-${name.replaceAll(' ', '-')}`),
    actor: 'test',
  });
  return { id, keyId };
}

/** Stores many candidates of one connection. */
async function crowd(id: string, many: number): Promise<void> {
  const made = Array.from({ length: many }, (_, place) => {
    const keyId = randomUUID();
    const sealed = old.seal(adminKey(`${SECRET}-${place}`), { connectionId: id, keyId });
    return { connectionId: id, id: keyId, state: 'candidate' as const, hint: 'many', ...sealed };
  });
  await db.insert(keys).values(made);
}

async function usesOf(ring: KeyRing): Promise<Record<string, number>> {
  const { uses } = await checkStoredKeys(db, ring);
  return Object.fromEntries(uses.map(({ encryptionKeyId, keys: some }) => [encryptionKeyId, some]));
}

describe('sealing stored keys again', () => {
  it('puts every stored key in any state under the first encryption key, so the old one is no longer needed', async () => {
    const first = await connected(old);
    await acceptKey(db, { connectionId: first.id, keyId: first.keyId }, { id: 'org', name: 'Org' });
    const second = randomUUID();
    await addCandidate(db, old, {
      connectionId: first.id,
      keyId: second,
      adminKey: adminKey(SECRET),
      requested: true,
      actor: 'test',
    });
    await acceptKey(db, { connectionId: first.id, keyId: second }, { id: 'org', name: 'Org' });
    const waits = await connected(old, 'Waits');
    await connected(moving, 'Newer');
    const gone = await connected(old, 'Gone');
    await destroyAllKeys(db, gone.id);
    expect(await usesOf(moving)).toEqual({ new: 1, old: 3 });

    expect(await rewrapStoredKeys(db, moving)).toEqual({ rewrapped: 3, left: [] });
    expect(await usesOf(moved)).toEqual({ new: 4 });
    expect((await checkStoredKeys(db, moved)).unreadable).toEqual([]);
    expect(revealed(await openActiveKey(db, moved, first.id))).toEqual({ keyId: second, text: SECRET });
    expect((await openCandidate(db, moved, waits.id, waits.keyId))?.adminKey.reveal()).toBe(`${SECRET}-Waits`);
    expect(
      await rows(db, sql`select state from keys where connection_id = ${gone.id} or state = 'superseded' order by 1`),
    ).toEqual([{ state: 'destroyed' }, { state: 'superseded' }]);
    expect(await rewrapStoredKeys(db, moving)).toEqual({ rewrapped: 0, left: [] });
  });

  it('may be cut off anywhere: every key opens meanwhile, and the next run does the rest', async () => {
    const { id } = await connected(old);
    await crowd(id, 499);
    const cutOff = rewrapStoredKeys(db, moving, (done) => {
      if (done === 400) throw new Error('killed');
    });
    await expect(cutOff).rejects.toThrow('killed');
    expect(await usesOf(moving)).toEqual({ new: 400, old: 100 });
    expect((await checkStoredKeys(db, moving)).unreadable).toEqual([]);
    expect(await rewrapStoredKeys(db, moving)).toEqual({ rewrapped: 100, left: [] });
    expect((await checkStoredKeys(db, moved)).unreadable).toEqual([]);
  });

  it('in two processes at once seals each key once', async () => {
    const { id } = await connected(old);
    await crowd(id, 299);
    const both = await Promise.all([rewrapStoredKeys(db, moving), rewrapStoredKeys(db, moving)]);
    expect(both[0].rewrapped + both[1].rewrapped).toBe(300);
    expect((await checkStoredKeys(db, moved)).unreadable).toEqual([]);
  });

  /** Runs it until it waits for a key that `change` holds, then lets that commit, after what happens `meanwhile`. */
  async function during(
    change: (tx: Db) => Promise<unknown>,
    meanwhile: () => Promise<unknown> = () => Promise.resolve(),
  ): Promise<Awaited<ReturnType<typeof rewrapStoredKeys>>> {
    const holds = promised();
    const release = promised();
    const changed = db.transaction(async (tx) => {
      await change(tx);
      holds.keep();
      await release.done;
    });
    await holds.done;
    const done = rewrapStoredKeys(db, moving);
    await until('it waits for the key', async () => (await waiting(db)) > 0);
    await meanwhile();
    release.keep();
    await changed;
    return done;
  }

  it('does not bring back a key that is destroyed meanwhile', async () => {
    const { id, keyId } = await connected(old);
    expect(await during((tx) => destroyAllKeys(tx, id))).toEqual({ rewrapped: 0, left: [] });
    expect(await rows(db, sql`select state, sealed, encryption_key_id from keys where id = ${keyId}`)).toEqual([
      { state: 'destroyed', sealed: null, encryption_key_id: null },
    ]);
  });

  it('does not undo a rotation that commits meanwhile', async () => {
    const { id, keyId } = await connected(old);
    await acceptKey(db, { connectionId: id, keyId }, { id: 'org', name: 'Org' });
    const next = randomUUID();
    await addCandidate(db, old, {
      connectionId: id,
      keyId: next,
      adminKey: adminKey(SECRET),
      requested: true,
      actor: 'test',
    });
    const outcome = await during((tx) => acceptKey(tx, { connectionId: id, keyId: next }, { id: 'org', name: 'Org' }));
    expect(outcome).toEqual({ rewrapped: 2, left: [] });
    expect(revealed(await openActiveKey(db, moved, id))).toEqual({ keyId: next, text: SECRET });
  });

  it('also seals keys that a process without the new key ring stores meanwhile', async () => {
    const last = await connected(old, 'Last', 'ffffffff-ffff-4fff-bfff-ffffffffffff');
    const outcome = await during(
      (tx) => tx.execute(sql`update keys set last_used_at = now() where id = ${last.keyId}`),
      () => connected(old, 'First', '00000000-0000-4000-8000-000000000000'),
    );
    expect(outcome).toEqual({ rewrapped: 2, left: [] });
  });

  it('skips keys that do not open for any reason, and names them', async () => {
    const [gone, other, moved1] = [
      await connected(lost, 'Gone'),
      await connected(old, 'Other'),
      await connected(old, 'Moved'),
    ];
    // The same name, and another key behind it: what a new file of keys beside a restored database is.
    const impostor = await connected(ringOf({ id: 'old', key: randomBytes(32) }), 'Impostor');
    await db.execute(sql`
      update keys k set (sealed, encryption_key_id) = (select sealed, encryption_key_id from keys where id = ${other.keyId})
      where id = ${moved1.keyId}
    `);
    const { rewrapped, left } = await rewrapStoredKeys(db, moving);
    expect(rewrapped).toBe(1);
    const shown = (found: readonly StoredKey[]): string[][] =>
      found.map((key) => [key.connectionName, key.connectionId, key.encryptionKeyId]).sort();
    expect(shown(left)).toEqual([
      ['Gone', gone.id, 'lost'],
      ['Impostor', impostor.id, 'old'],
      ['Moved', moved1.id, 'old'],
    ]);
    expect(shown((await checkStoredKeys(db, moving)).unreadable)).toEqual(shown(left));
    expect(await count(db, sql`keys where encryption_key_id <> 'new'`)).toBe(3);
  });

  it('skips a key that stays locked, and reports it as left', async () => {
    const [held] = [await connected(old, 'Held'), await connected(old, 'Free')];
    const limits = { idle_in_transaction_session_timeout: 0, lock_timeout: 50, statement_timeout: 0 };
    const impatient = openDatabase(database.url, { max: 1, name: 'meterline test', limits });
    await db.transaction(async (tx) => {
      await tx.execute(sql`update keys set last_used_at = now() where id = ${held.keyId}`);
      const { rewrapped, left } = await rewrapStoredKeys(impatient.db, moving);
      expect([rewrapped, left.map(({ connectionName }) => connectionName)]).toEqual([1, ['Held']]);
    });
    await impatient.close();
    expect(await rewrapStoredKeys(db, moving)).toEqual({ rewrapped: 1, left: [] });
  });
});

describe('the report on stored keys', () => {
  const said = async (ring: KeyRing): Promise<{ level: string; message: string }> =>
    describeStoredKeysCheck(await checkStoredKeys(db, ring), ring);

  it('is one line that names the connections with keys that do not open, and the action to take', async () => {
    await connected(old, 'Fine');
    const { id } = await connected(lost, 'Acme');
    await addCandidate(db, lost, {
      connectionId: id,
      keyId: randomUUID(),
      adminKey: adminKey(SECRET),
      requested: false,
      actor: 'test',
    });
    const { level, message } = await said(moving);
    expect(level).toBe('error');
    expect(message).toContain(`the stored keys of 1 connection(s): "Acme" (${id}). Put`);
    expect(message).toContain('("lost") back into METERLINE_ENCRYPTION_KEYS');
    expect(message).toContain('POST /v1/connections/{id}/rotate-key');
    expect(message).not.toMatch(/Fine|\n|sk-ant/);
  });

  it('names at most twenty of them', async () => {
    for (let place = 0; place < 25; place += 1) await connected(lost, `Lost ${place}`);
    const { message } = await said(old);
    expect(message.match(/"Lost \d+"/g)).toHaveLength(20);
    expect(message).toContain('of 25 connection(s)');
    expect(message).toContain(' and 5 more.');
  });

  it('says that nothing is left to do, that keys need sealing again, or which encryption keys can be removed', async () => {
    await connected(old);
    expect(await said(old)).toEqual({ level: 'info', message: 'Every stored key opens.' });
    expect((await said(moving)).message).toBe(
      'Every stored key opens; 1 of them under "old", which "npm run keys -- rewrap" seals under "new".',
    );
    await rewrapStoredKeys(db, moving);
    expect((await said(moving)).message).toBe(
      'Every stored key opens, under "new": drop "old" from METERLINE_ENCRYPTION_KEYS.',
    );
    expect(await said(moved)).toEqual({ level: 'info', message: 'Every stored key opens.' });
  });
});
