import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { list, row, type Db } from '../core/database.ts';
import { eachRow } from '../core/cursor.ts';
import { isAfter, nameFields, withNames } from './groups.ts';

/** The rows of a report, compiled: what its pages, its totals and its files are made of. */
export interface Compiled<Row, Totals> {
  readonly query: SpendQuery;
  /** The parts of the statement. The last one is `keyed`: every row, with its `key`. */
  readonly parts: readonly SQL[];
  /** The rest of a `from` that begins with the rows `p`, beside names. */
  readonly joins: SQL;
  /** The fields of a row `p` as fields of a JSON object, beside its key and names. */
  readonly fields: SQL;
  /** By what the rows `p` are ordered. */
  readonly order: SQL;
  readonly row: z.ZodType<Row>;
  /** What belongs to all rows, as a JSON object. */
  readonly totals: SQL;
  readonly totalsSchema: z.ZodType<Totals>;
  /** What belongs to the rows that the parts `page` and `keyed` do not share, as JSON. */
  readonly other: SQL;
}

/** A page of rows, with what belongs to all rows. */
export interface Page<Row, Totals, Other> {
  readonly data: readonly Row[];
  readonly totals: Totals;
  /** Of the rows that are not in `data`, if they are ordered by amount. */
  readonly other: Other | null;
}

/** Answers with a page. */
export function readPage<Row, Totals, Other>(
  db: Db,
  compiled: Compiled<Row, Totals>,
  other: z.ZodType<Other>,
): Promise<Page<Row, Totals, Other>> {
  const read = async (tx: Db): Promise<Page<Row, Totals, Other>> => {
    await giveRoom(tx);
    return readPageIn(tx, compiled, other);
  };
  return db.transaction(read, { accessMode: 'read only' });
}

/** Answers with a page. One statement, so that page, totals and completeness speak of the same instant. */
export async function readPageIn<Row, Totals, Other>(
  tx: Db,
  compiled: Compiled<Row, Totals>,
  other: z.ZodType<Other>,
): Promise<Page<Row, Totals, Other>> {
  const report = z.object({ data: z.array(compiled.row), totals: compiled.totalsSchema, other: other.nullable() });
  const statement = sql`
    with ${list(compiled.parts)}, ${pagePart(compiled)}
    select jsonb_build_object(
      'data', ${dataOf(compiled)},
      'totals', ${compiled.totals},
      'other', ${compiled.query.order === 'key' ? sql`null` : compiled.other}
    ) as report
  `;
  return (await row(tx, z.object({ report }), statement)).report;
}

/** Answers with the rows of a page alone. */
export async function readData<Row, Totals>(tx: Db, compiled: Compiled<Row, Totals>): Promise<Row[]> {
  const statement = sql`with ${list(compiled.parts)}, ${pagePart(compiled)} select ${dataOf(compiled)} as data`;
  return (await row(tx, z.object({ data: z.array(compiled.row) }), statement)).data;
}

/** The part `page`. */
function pagePart<Row, Totals>({ query, order }: Compiled<Row, Totals>): SQL {
  const limit = query.limit === null ? sql`` : sql`limit ${query.limit}`;
  return sql`page as (select p.* from keyed p where ${isAfter(query)} order by ${order} ${limit})`;
}

/** The rows of the part `page` as JSON. */
function dataOf<Row, Totals>({ query, joins, fields, order }: Compiled<Row, Totals>): SQL {
  return sql`(
    select coalesce(jsonb_agg(jsonb_build_object(${nameFields(query)}, ${fields}) order by ${order}), '[]')
    from page p ${withNames(query)} ${joins}
  )`;
}

/**
 * Lets the statements of a transaction group the lines of months in memory. With the few megabytes that Postgres has by
 * default, it sorts every line on disk instead, which takes twice as long.
 */
export async function giveRoom(tx: Db): Promise<void> {
  await tx.execute(sql`set local work_mem = '64MB'`);
}

/** Answers with what belongs to all rows. Must run in a transaction. */
export async function readTotals<Row, Totals>(tx: Db, compiled: Compiled<Row, Totals>): Promise<Totals> {
  await giveRoom(tx);
  const { totals } = await row(
    tx,
    z.object({ totals: compiled.totalsSchema }),
    sql`with ${list(compiled.parts)} select ${compiled.totals} as totals`,
  );
  return totals;
}

/** Every row of the report in its order, in batches, whatever the limit. Must run in a transaction. */
export async function* readRows<Row, Totals>(tx: Db, compiled: Compiled<Row, Totals>): AsyncGenerator<readonly Row[]> {
  const { query, parts, joins, fields, order } = compiled;
  // Without the offset, Postgres would put each key together again wherever it is mentioned.
  const statement = sql`
    with ${list(parts)}
    select jsonb_build_object(${nameFields(query)}, ${fields}) as line
    from (select * from keyed offset 0) p ${withNames(query)} ${joins}
    order by ${order}
  `;
  for await (const batch of eachRow(tx, z.object({ line: compiled.row }), statement)) {
    yield batch.map(({ line }) => line);
  }
}
