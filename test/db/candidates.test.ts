import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { keys } from '../../db/schema.ts';
import { addCandidateToLive } from '../../db/keys/candidates.ts';
import { openCandidate } from '../../db/keys/open.ts';
import { adminKey, revealed } from '../support/admin-key.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { RING, SECRET, connect } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('a candidate for a connection', () => {
  const candidate = { adminKey: adminKey(SECRET), requested: false, actor: 'ann' };

  it('that is live is stored sealed, and opens again', async () => {
    const { id } = await connect(database.db);
    const added = await addCandidateToLive(database.db, RING, { connectionId: id, ...candidate });
    expect(added).toMatchObject({ hint: SECRET.slice(-4), state: 'candidate' });
    const keyId = added?.keyId ?? '';
    expect(revealed(await openCandidate(database.db, RING, id, keyId))).toEqual({ keyId, text: SECRET });
  });

  it('that has ended, or that does not exist, is not stored', async () => {
    const { id } = await connect(database.db);
    await disconnect(database.db, id, false);
    for (const connectionId of [id, randomUUID()]) {
      expect(await addCandidateToLive(database.db, RING, { connectionId, ...candidate })).toBeNull();
    }
    expect(await database.db.select().from(keys).where(eq(keys.connectionId, id))).toHaveLength(1);
  });
});
