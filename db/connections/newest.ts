import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { numberArray, rows, type Db } from '../core/database.ts';

/** For each of these ids that a connection has, the newest connection of the same organization, which may be itself. */
export async function newestConnections(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const found = await rows(
    db,
    z.object({ id: z.string(), newest: z.string() }),
    sql`
      select c.id, n.id as newest
      from counting_connections c join counting_connections n on n.organization = c.organization and n.newer is null
      where c.id = any(${numberArray('uuid', ids)})
    `,
  );
  return new Map(found.map(({ id, newest }) => [id, newest]));
}
