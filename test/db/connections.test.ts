import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extendHistory, listLiveConnections, renameConnection } from '../../db/connections/connections.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { recordFailure } from '../../db/connections/failure.ts';
import { setStatus } from '../../db/connections/status.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { refuseKey } from '../../db/keys/candidates.ts';
import { STATUSES, isLive, mayFollow, type Status } from '../../domain/connection/statuses.ts';
import { addDays } from '../../domain/days.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { row } from '../support/rows.ts';
import { eventsOf, keysOf } from '../support/state.ts';
import { factsOf, fill } from './covered.ts';
import { TODAY, connect } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

async function statusOf(id: string): Promise<string> {
  return (await row<{ status: string }>(database.db, sql`select status from connections where id = ${id}`)).status;
}

describe('a status', () => {
  it('changes exactly as the table of transitions allows, and setStatus says whether it did', async () => {
    const { id, keyId } = await connect(database.db);
    await refuseKey(database.db, { connectionId: id, keyId }, { code: 'key_invalid' }, 'No.');
    for (const from of STATUSES) {
      for (const to of STATUSES) {
        const endedAt = isLive(from) ? sql`null` : sql`now()`;
        await database.db.execute(sql`update connections set status = ${from}, ended_at = ${endedAt} where id = ${id}`);
        expect(await setStatus(database.db, id, to)).toEqual({ moved: mayFollow(from, to) });
        expect(await statusOf(id), `${from} to ${to}`).toBe(mayFollow(from, to) ? to : from);
      }
    }
  });

  it('that changed adds one event, with the failure behind it', async () => {
    const { id } = await connect(database.db, { organization: randomUUID() });
    for (const to of ['discovering', 'discovering', 'validating'] as const) await setStatus(database.db, id, to);
    await recordFailure(database.db, id, { failure: { code: 'rate_limited' }, keyId: null, nowMs: 0 });
    await setStatus(database.db, id, 'degraded');
    expect(await eventsOf(database.db, id, 'status')).toEqual([
      'The connection is discovering.',
      "The connection is degraded: This organization has reached Anthropic's rate limit.",
    ]);
  });

  it('that is an end takes the connection off the list of live ones, and lets no failure be recorded', async () => {
    const listed = async (): Promise<string[]> => (await listLiveConnections(database.db)).map((found) => found.id);
    const { id, keyId } = await connect(database.db);
    expect(await listed()).toContain(id);
    // A key that somebody asked to use is tried first.
    await setStatus(database.db, id, 'refused');
    expect(await listed()).toContain(id);
    await refuseKey(database.db, { connectionId: id, keyId }, { code: 'key_invalid' }, 'No.');
    await setStatus(database.db, id, 'refused');
    expect(await listed()).not.toContain(id);
    await recordFailure(database.db, id, { failure: { code: 'rate_limited' }, keyId: null, nowMs: 0 });
    expect((await factsOf(database.db, id)).failure).toBeNull();
    expect((await keysOf(database.db, id)).every(({ sealed }) => !sealed)).toBe(true);
    const ends: readonly Status[] = STATUSES.filter((status) => !isLive(status));
    expect(ends).toEqual(['refused', 'disconnected']);
  });
});

describe('extending the history', () => {
  it('makes an active connection backfill at once, and changes no other status', async () => {
    for (const status of STATUSES.filter(isLive)) {
      const { id } = await connect(database.db);
      await database.db.execute(sql`update connections set status = ${status} where id = ${id}`);
      expect(await extendHistory(database.db, id, addDays(TODAY, -60), 'test')).toBe('extended');
      expect(await statusOf(id)).toBe(status === 'active' ? 'backfilling' : status);
    }
  });
});

describe('disconnecting', () => {
  it('twice is once', async () => {
    const { id } = await connect(database.db, { organization: randomUUID() });
    await Promise.all([disconnect(database.db, id, false), disconnect(database.db, id, false)]);
    expect(await eventsOf(database.db, id, 'status')).toEqual([
      'The connection is discovering.',
      'The connection is disconnected; its keys are destroyed.',
    ]);
    expect(await statusOf(id)).toBe('disconnected');
  });

  it('with a purge leaves the data of others', async () => {
    const [one, two] = [await connect(database.db), await connect(database.db)];
    for (const { id } of [one, two]) {
      await fill(database.db, id, TODAY, TODAY);
      await saveWorkspaces(database.db, id, [
        { id: 'w', name: 'W', createdAt: null, archivedAt: null, tags: new Map(), reported: null },
      ]);
    }
    await disconnect(database.db, one.id, true);
    const left = await row(
      database.db,
      sql`
        select (select count(*)::int from days where connection_id = ${two.id}) as days,
          (select count(*)::int from workspaces where connection_id = ${two.id}) as workspaces
      `,
    );
    expect(left).toEqual({ days: 2, workspaces: 1 });
    expect(await eventsOf(database.db, one.id, 'purged')).toHaveLength(1);
  });
});

describe('a name', () => {
  it('can be changed to any text, for a connection that exists', async () => {
    const { id } = await connect(database.db);
    const name = `"; drop table connections; -- 😀 ${'x'.repeat(600)}`;
    expect(await renameConnection(database.db, id, name, 'ann')).toBe(true);
    expect(await row(database.db, sql`select name from connections where id = ${id}`)).toEqual({ name });
    expect(await renameConnection(database.db, randomUUID(), 'x', 'ann')).toBe(false);
    expect((await eventsOf(database.db, id, 'renamed'))[0]?.length).toBe(500);
  });
});
