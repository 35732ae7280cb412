import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { TagValue } from '../../domain/allocation/padded.ts';
import { rows, textArray, type Db } from '../core/database.ts';

const MOST = 100;

/** The values of tags with these keys that begin or end with white space, as workspaces have them now; at most a hundred. */
export async function paddedTags(db: Db, keys: readonly string[]): Promise<TagValue[]> {
  if (keys.length === 0) return [];
  return rows(
    db,
    z.object({ key: z.string(), value: z.string() }),
    sql`
      select distinct substr(t.key, 5) as key, t.value
      from current_workspaces w cross join lateral jsonb_each_text(w.tags) as t
      where t.key = any(${textArray(keys.map((key) => `tag.${key}`))}) and t.value ~ '^\\s|\\s$'
      order by 1, 2
      limit ${MOST}
    `,
  );
}
