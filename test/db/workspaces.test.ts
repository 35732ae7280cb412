import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import {
  listWorkspaces,
  saveWorkspaces,
  type ReadWorkspace,
  type StoredWorkspace,
} from '../../db/connections/workspaces.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { row, rows } from '../support/rows.ts';
import { connect, waiting } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('workspaces', () => {
  const one = {
    id: 'w1',
    name: 'One',
    createdAt: '2026-01-01T00:00:00.123456Z',
    archivedAt: null,
    tags: new Map([['team', 'platform']]),
    reported: { tags: { a: 'b' } },
  };
  const stored = (id: string): Promise<unknown> =>
    row(
      database.db,
      sql`
        select jsonb_agg(jsonb_build_array(id, name, created_at, archived_at, reported) order by id) as found
        from workspaces where connection_id = ${id}
      `,
    );

  it('are stored as last listed, and stay after they are no longer listed', async () => {
    const { id } = await connect(database.db);
    await saveWorkspaces(database.db, id, []);
    await saveWorkspaces(database.db, id, [one, { ...one, id: 'w2', name: 'Two' }]);
    const renamed = { ...one, name: 'Öne "1"', archivedAt: '2026-02-01T00:00:00+02:00' };
    await saveWorkspaces(database.db, id, [renamed]);
    expect(await stored(id)).toEqual({
      found: [
        ['w1', 'Öne "1"', '2026-01-01T00:00:00.123456+00:00', '2026-01-31T22:00:00+00:00', { tags: { a: 'b' } }],
        ['w2', 'Two', '2026-01-01T00:00:00.123456+00:00', null, { tags: { a: 'b' } }],
      ],
    });
  });

  it('listed twice on one page are stored as listed last', async () => {
    const { id } = await connect(database.db);
    await saveWorkspaces(database.db, id, [one, { ...one, name: 'Later' }]);
    expect(await stored(id)).toMatchObject({
      found: [['w1', 'Later', expect.anything() as unknown, null, { tags: { a: 'b' } }]],
    });
  });
});

const LONG_AGO = '2026-01-05';

/** A workspace as Anthropic lists it. */
function workspace(id: string, name: string, tags: Readonly<Record<string, string>> = {}): ReadWorkspace {
  return { id, name, createdAt: null, archivedAt: null, tags: new Map(Object.entries(tags)), reported: {} };
}

/** A connection that read this list long ago. */
async function connectLongAgo(listed: readonly ReadWorkspace[]): Promise<string> {
  const { db } = database;
  const { id } = await connect(db);
  await saveWorkspaces(db, id, listed);
  for (const table of ['workspace_names', 'workspace_tags'])
    await db.execute(sql`update ${sql.identifier(table)} set first_seen = ${LONG_AGO} where connection_id = ${id}`);
  return id;
}

const stored = (id: string): Promise<StoredWorkspace[]> => listWorkspaces(database.db, id, { after: null, limit: 10 });
const today = async (): Promise<string> =>
  (await row<{ day: string }>(database.db, sql`select (now() at time zone 'UTC')::date::text as day`)).day;

describe('the tags of a workspace', () => {
  it('keep the day on which their value was first listed; a new value begins anew, and one no longer listed goes', async () => {
    const id = await connectLongAgo([
      workspace('w1', 'One', { env: 'test', gone: 'x', team: 'platform' }),
      workspace('w2', 'Two', { team: 'platform' }),
    ]);
    await saveWorkspaces(database.db, id, [workspace('w1', 'One', { Team: 'a', env: 'live', team: 'platform' })]);
    const day = await today();
    expect((await stored(id)).map(({ tags }) => tags)).toEqual([
      [
        { key: 'Team', value: 'a', firstSeen: day },
        { key: 'env', value: 'live', firstSeen: day },
        { key: 'team', value: 'platform', firstSeen: LONG_AGO },
      ],
      [{ key: 'team', value: 'platform', firstSeen: LONG_AGO }],
    ]);
  });

  it('belong to one connection', async () => {
    const [id, other] = [
      await connectLongAgo([workspace('w', 'W', { team: 'a' })]),
      await connectLongAgo([workspace('w', 'W', { team: 'b' })]),
    ];
    await saveWorkspaces(database.db, id, [workspace('w', 'New')]);
    expect(await stored(other)).toMatchObject([
      { name: 'W', tags: [{ value: 'b', firstSeen: LONG_AGO }], names: [{ name: 'W' }] },
    ]);
  });
});

describe('the names of a workspace', () => {
  it('are all kept in their order, also one that comes back', async () => {
    const id = await connectLongAgo([workspace('w', 'Alpha')]);
    for (const name of ['Beta', 'Beta', 'Alpha']) await saveWorkspaces(database.db, id, [workspace('w', name)]);
    const day = await today();
    expect(await stored(id)).toMatchObject([
      {
        id: 'w',
        name: 'Alpha',
        names: [
          { name: 'Alpha', firstSeen: LONG_AGO },
          { name: 'Beta', firstSeen: day },
          { name: 'Alpha', firstSeen: day },
        ],
      },
    ]);
  });

  it('tell nothing about identity: an archived workspace and the one made in its place keep their own', async () => {
    const id = await connectLongAgo([workspace('old', 'Same', { team: 'a' })]);
    const archived = { ...workspace('old', 'Same', { team: 'a' }), archivedAt: '2026-02-01T00:00:00Z' };
    await saveWorkspaces(database.db, id, [archived, workspace('new', 'Same', { team: 'b' })]);
    expect(await stored(id)).toMatchObject([
      { id: 'new', archivedAtMs: null, tags: [{ value: 'b' }], names: [{ name: 'Same', firstSeen: await today() }] },
      { id: 'old', archivedAtMs: Date.parse('2026-02-01'), tags: [{ value: 'a' }], names: [{ firstSeen: LONG_AGO }] },
    ]);
  });
});

describe('a list of workspaces', () => {
  it('saved by several syncs at once, in any order, is stored once', async () => {
    const { id } = await connect(database.db);
    const listed = Array.from({ length: 40 }, (_, index) => workspace(`w${index}`, 'Same', { team: `t${index}` }));
    const reversed = listed.toReversed();
    await Promise.all(
      Array.from({ length: 8 }, (_, index) => saveWorkspaces(database.db, id, index % 2 === 0 ? listed : reversed)),
    );
    const [counts] = await rows(
      database.db,
      sql`
        select
          (select count(*)::int from workspace_names where connection_id = ${id}) as names,
          (select count(*)::int from workspace_tags where connection_id = ${id}) as tags
      `,
    );
    expect(counts).toEqual({ names: 40, tags: 40 });
  });

  it('waits for an overlapping one before it takes any other lock, and then sees its names', async () => {
    const { db } = database;
    const id = await connectLongAgo([workspace('w1', 'One'), workspace('w2', 'Two')]);
    let other: Promise<void> | undefined;
    await db.transaction(async (tx) => {
      await saveWorkspaces(tx, id, [workspace('w1', 'Renamed')]);
      other = saveWorkspaces(db, id, [workspace('w2', 'Two'), workspace('w1', 'Renamed')]);
      await expect.poll(() => waiting(tx)).toBe(1);
      await saveWorkspaces(tx, id, [workspace('w2', 'Two')]);
    });
    await other;
    expect((await stored(id)).map(({ names }) => names.map(({ name }) => name))).toEqual([['One', 'Renamed'], ['Two']]);
  });

  it('that no longer has a workspace leaves it its names and tags', async () => {
    const id = await connectLongAgo([workspace('w', 'W', { team: 'a' }), workspace('x', 'X')]);
    await saveWorkspaces(database.db, id, [workspace('x', 'X')]);
    await saveWorkspaces(database.db, id, []);
    expect(await stored(id)).toMatchObject([{ id: 'w', tags: [{ value: 'a' }], names: [{ name: 'W' }] }, { id: 'x' }]);
  });

  it('is deleted by a purge, names and tags too', async () => {
    const id = await connectLongAgo([workspace('w', 'W', { team: 'a' })]);
    await disconnect(database.db, id, true);
    const left = await rows(
      database.db,
      sql`
        select 'name' as what from workspace_names where connection_id = ${id}
        union all select 'tag' from workspace_tags where connection_id = ${id}
        union all select 'workspace' from workspaces where connection_id = ${id}
      `,
    );
    expect(left).toEqual([]);
  });
});
