import type { SQL } from 'drizzle-orm';
import type { Db } from '../../db/core/database.ts';

/** The rows of a statement, of the type that a test expects. A row of another form fails the test's own assertions. */
export async function rows<Row extends Record<string, unknown>>(db: Db, query: SQL): Promise<Row[]> {
  const found: unknown[] = [...(await db.execute(query))];
  return found as Row[];
}

/** The first row of a statement that gives at least one. */
export async function row<Row extends Record<string, unknown>>(db: Db, query: SQL): Promise<Row> {
  const [first] = await rows<Row>(db, query);
  if (first === undefined) throw new Error('the statement gave no row');
  return first;
}
