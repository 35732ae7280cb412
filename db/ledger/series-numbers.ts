import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Line, Report } from '../../domain/lines.ts';
import { ConnectionGoneError, sharingLive } from '../connections/live.ts';
import { list, numberArray, preparedRows, textArray, type Db } from '../core/database.ts';
import type { Identified } from './day-content.ts';
import { LINE_TABLES, type LineTable } from './line-tables.ts';
import { columnOf, extraOf, type Series } from './series.ts';

/** The dimensions of a hundred thousand series in one statement would take hundreds of megabytes. */
const SERIES_PER_STATEMENT = 20_000;

/**
 * Sets the numbers of the series of lines, and stores the series that are new. This is not part of the transaction that
 * writes the days: a series without lines is visible nowhere, and days that are written at the same time wait for each
 * other's new series only for a moment. With `areNew`, all series are expected to be new, and are not searched first.
 * Throws {@link ConnectionGoneError}.
 */
export async function numberSeries(
  db: Db,
  report: Report,
  connectionId: string,
  lines: readonly Identified<Line>[],
  areNew = false,
): Promise<void> {
  const table = LINE_TABLES[report];
  const series = withoutNumber(new Set(lines.map((line) => line.series)));
  for (let from = 0; from < series.length; from += SERIES_PER_STATEMENT) {
    const some = series.slice(from, from + SERIES_PER_STATEMENT);
    if (!areNew) await findNumbers(db, table, connectionId, some);
    await addSeries(db, table, connectionId, withoutNumber(some));
    // Another transaction added the rest meanwhile.
    await findNumbers(db, table, connectionId, withoutNumber(some));
  }
}

function withoutNumber(series: Iterable<Series>): Series[] {
  return [...series].filter(({ no }) => no === null);
}

async function findNumbers(db: Db, table: LineTable, connectionId: string, series: readonly Series[]): Promise<void> {
  if (series.length === 0) return;
  const ids = series.map(({ id }) => id);
  // All numbers come in one text: reading tens of thousands of rows would take longer than finding them.
  const [found] = await preparedRows(
    db,
    z.object({ numbers: z.string() }),
    sql`
      select string_agg(coalesce(s.series_no, 0)::text, ',' order by asked.place) as numbers
      from unnest(${numberArray('uuid', ids)}) with ordinality as asked(id, place)
      left join ${sql.identifier(table.series)} s on s.connection_id = ${connectionId} and s.series_id = asked.id
    `,
  );
  setNumbers(series, found?.numbers ?? '');
}

/** `numbers` has one number per series, in their order; 0 for a series that is not stored. */
function setNumbers(series: readonly Series[], numbers: string): void {
  for (const [place, text] of numbers.split(',').entries()) {
    const known = series[place];
    if (known !== undefined && text !== '0') known.no = Number(text);
  }
}

/**
 * Stores series that are expected to be new. Each stored series that is sent again burns a number of the identity column,
 * so they are searched first where any may be stored. Throws {@link ConnectionGoneError}.
 */
async function addSeries(db: Db, table: LineTable, connectionId: string, series: readonly Series[]): Promise<void> {
  if (series.length === 0) return;
  // Sorted, so that two transactions with the same new series lock them in one order and cannot deadlock.
  const sorted = [...series].sort((a, b) => (a.id < b.id ? -1 : 1));
  const ids = sorted.map(({ id }) => id);
  const extras = sorted.map(({ dimensions }) => extraOf(dimensions, table.dimensions));
  const names = list(table.dimensions.map((name) => sql.identifier(name)));
  const columns = table.dimensions.map((name) => textArray(sorted.map(({ dimensions }) => columnOf(dimensions, name))));
  const [added] = await preparedRows(
    db,
    z.object({ numbers: z.string().nullable() }),
    sql`
      with live as materialized (
        ${sharingLive(connectionId)}
      ), sent as materialized (
        select * from unnest(
          ${numberArray('uuid', ids)}, ${textArray(extras)}, ${list(columns)}
        ) with ordinality as sent(series_id, extra, ${names}, place)
      ), added as (
        insert into ${sql.identifier(table.series)} (connection_id, series_id, extra, ${names})
        select live.id, series_id, extra::jsonb, ${names} from live, sent order by place
        on conflict (connection_id, series_id) do nothing
        returning series_id, series_no
      )
      select string_agg(coalesce(added.series_no, 0)::text, ',' order by sent.place) as numbers
      from live, sent left join added using (series_id)
    `,
  );
  if (added?.numbers == null) throw new ConnectionGoneError(connectionId);
  setNumbers(sorted, added.numbers);
}
