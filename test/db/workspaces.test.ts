import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { row } from '../support/rows.ts';
import { connect } from './support.ts';

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
