import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { HISTORY_DAYS } from '../../domain/anomalies/incident.ts';
import type { SettledTexts } from '../../domain/anomalies/settled.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { eachRow } from '../core/cursor.ts';
import { list, row, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';

/** What the spend is split by when the cause of an incident is looked for, and where a line of cost has it. */
export const CAUSE_DIMENSIONS = {
  workspace: 'workspace_id',
  model: 'model',
  cost_type: 'cost_type',
} as const;

/** The days of cost `d` of a connection that are settled: read after their end, and reconciled. None from `today` on. */
export function settledDays(connectionId: string, today: Day): ReturnType<typeof sql> {
  return sql`
    d.connection_id = ${connectionId} and d.report = 'cost' and d.reconciled and d.read_on > d.day
    and d.day < ${today}::date and d.day >= ${addDays(today, -HISTORY_DAYS)}::date
  `;
}

/** Days whose texts come from Postgres at once. */
const BATCH_DAYS = 40;

/**
 * The settled days of a connection, of the last {@link HISTORY_DAYS} at most, with what they cost in US dollars by
 * {@link CAUSE_DIMENSIONS}. It reads the sums that the ledger keeps of each day, and no lines. Must run in a transaction.
 */
export async function readSettledDays(tx: Db, connectionId: string, today: Day): Promise<SettledTexts> {
  const dimensions = await readDimensions(tx, connectionId, today);
  const statement = sql`
    select d.day::text as day, trim_scale(d.total)::text as total, coalesce(sums.groups, '') as groups
    from days d left join lateral (
      select string_agg(r.series_no || ' ' || trim_scale(r.amount)::text, ' ' order by r.series_no) as groups
      from cost_rollup r where r.day_no = d.day_no
    ) sums on true
    where ${settledDays(connectionId, today)}
    order by d.day
  `;
  const days: SettledTexts['days'][number][] = [];
  const schema = z.object({ day: dayJson, total: decimalText, groups: z.string() });
  for await (const batch of eachRow(tx, schema, statement, BATCH_DAYS)) days.push(...batch);
  return { dimensions, days };
}

/** The dimensions with the numbers of their series, for those in US dollars, as JSON. */
async function readDimensions(tx: Db, connectionId: string, today: Day): Promise<string> {
  const names = Object.entries(CAUSE_DIMENSIONS);
  const { dimensions } = await row(
    tx,
    z.object({ dimensions: z.string() }),
    sql`
      select coalesce(json_agg(json_build_array(values, series)), '[]')::text as dimensions
      from (
        select json_build_object(${list(names.map(([name, column]) => sql`${name}::text, ${sql.identifier(column)}`))}) as values,
          string_agg(series_no::text, ' ') as series
        from cost_series s
        where s.connection_id = ${connectionId} and s.currency = 'USD' and s.series_no in (
          select r.series_no from days d join cost_rollup r using (day_no) where ${settledDays(connectionId, today)}
        )
        group by ${list(names.map(([, column]) => sql.identifier(column)))}
      ) sets
    `,
  );
  return dimensions;
}
