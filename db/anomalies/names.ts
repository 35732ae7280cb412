import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { numberArray, rows, type Db } from '../core/database.ts';

/** The names of the workspaces that these connections list, by their id. */
export async function workspaceNames(db: Db, connectionIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = await rows(
    db,
    z.object({ id: z.string(), name: z.string() }),
    sql`
      select distinct on (id) id, name from workspaces
      where connection_id = any(${numberArray('uuid', connectionIds)}) order by id, read_at desc
    `,
  );
  return new Map(found.map(({ id, name }) => [id, name]));
}
