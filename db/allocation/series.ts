import { sql, type SQL } from 'drizzle-orm';
import { tagOf, type Dimension } from '../../domain/spend/query.ts';
import { columnOf, hasTag } from '../spend/groups.ts';

/** The value in a dimension, as a text, of a row that has the columns of a series, with the tags of its workspace in `w`. */
export function valueIn(dimension: Dimension, row: SQL): SQL {
  if (hasTag(dimension)) return sql`(w.tags ->> ${tagOf(dimension)}::text)`;
  return sql`${columnOf(dimension, row)}::text`;
}
