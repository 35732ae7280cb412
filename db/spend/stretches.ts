import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Report } from '../../domain/lines.ts';
import { isGrain, type Grain, type Group, type SpendQuery } from '../../domain/spend/query.ts';
import { stretchesOf, type Lines } from '../../domain/spend/stretches.ts';
import { inSnapshot } from '../core/cursor.ts';
import { rows, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { textOfBucket, type GroupRow } from './groups.ts';
import { giveRoom, readData, readPage, readPageIn, readRows, readTotals, type Compiled, type Page } from './rows.ts';
import { asked, bucketOfDay, countedDays } from './scope.ts';

/** So many lines are added up in about the time that it takes to plan a statement and to answer. */
const ENOUGH_LINES = 50_000;

/**
 * Answers with a page of a report. Where its rows are in the order of their days, only the days that fill the page are added
 * up by their groups, since a year has millions of lines, and a page the rows of a day or two. What belongs to all rows is
 * added up without groups. All of it speaks of the same instant.
 */
export async function readPageByDays<Row extends GroupRow, Totals, Other>(
  db: Db,
  compile: (query: SpendQuery) => Compiled<Row, Totals>,
  query: SpendQuery,
  report: Report,
  other: z.ZodType<Other>,
  enough = ENOUGH_LINES,
): Promise<Page<Row, Totals, Other>> {
  const { limit } = query;
  if (limit === null || !isByDays(query)) return readPage(db, compile(query), other);
  return inSnapshot(db, async (tx) => {
    await giveRoom(tx);
    const stretches = stretchesOf(await linesOf(tx, query, report), enough);
    if (stretches.length < 2) return readPageIn(tx, compile(query), other);
    const data: Row[] = [];
    for (const { from, to } of stretches) {
      const left = limit - data.length;
      if (left <= 0) break;
      data.push(...(await readData(tx, compile({ ...query, from, to, limit: left }))));
    }
    return { data, totals: await readUngroupedTotals(tx, compile, query), other: null };
  });
}

/**
 * Every row of a report in its order, in batches, whatever the limit. Where they are in the order of their days, some days
 * are added up at a time, since Postgres sorts those in memory, and all lines of a month on disk. Must run in a snapshot.
 */
export async function* readRowsByDays<Row extends GroupRow, Totals>(
  tx: Db,
  compile: (query: SpendQuery) => Compiled<Row, Totals>,
  query: SpendQuery,
  report: Report,
  enough = ENOUGH_LINES,
): AsyncGenerator<readonly Row[]> {
  if (!isByDays(query)) {
    yield* readRows(tx, compile(query));
    return;
  }
  await giveRoom(tx);
  for (const { from, to } of stretchesOf(await linesOf(tx, query, report), enough, 1)) {
    yield* readRows(tx, compile({ ...query, from, to }));
  }
}

/** Answers with what belongs to all rows, without adding up the rows themselves. Must run in a transaction. */
export function readUngroupedTotals<Row, Totals>(
  tx: Db,
  compile: (query: SpendQuery) => Compiled<Row, Totals>,
  query: SpendQuery,
): Promise<Totals> {
  return readTotals(tx, compile({ ...query, groupBy: [], after: null, limit: null }));
}

/** A query whose rows begin with a day, a week or a month. */
type ByDays = SpendQuery & { readonly groupBy: readonly [Grain, ...Group[]] };

/** Whether the rows of a query are in the order of their days. */
function isByDays(query: SpendQuery): query is ByDays {
  const [first, ...others] = query.groupBy;
  return (
    query.order === 'key' && query.comparison === null && first !== undefined && isGrain(first) && others.length > 0
  );
}

/** The lines of each day, week or month of a query whose rows have not been seen yet. */
async function linesOf(tx: Db, query: ByDays, report: Report): Promise<Lines[]> {
  const seen = query.after?.[0] ?? '';
  return rows(
    tx,
    z.object({ from: dayJson, to: dayJson, lines: z.number() }),
    sql`
      with ${asked(query)}
      select min(day)::text as "from", max(day)::text as "to", sum(lines)::float8 as lines
      from (
        select d.day, d.lines, ${textOfBucket(query.groupBy[0], bucketOfDay(query, sql`d.day`))} as bucket
        from (${countedDays(query, report, query)}) d
      ) dated
      where bucket >= ${seen} collate "C"
      group by bucket
      order by 1
    `,
  );
}
