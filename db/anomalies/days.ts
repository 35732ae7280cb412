import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { HISTORY_DAYS, type SettledDay, type SpendGroup } from '../../domain/anomalies/incident.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { toCanonical } from '../../domain/money.ts';
import { eachRow } from '../core/cursor.ts';
import { rows, type Db } from '../core/database.ts';
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

/** Days whose groups are in memory at once as text, before they are taken apart. */
const BATCH_DAYS = 40;

/**
 * The settled days of a connection, of the last {@link HISTORY_DAYS} at most, with what they cost in US dollars by
 * {@link CAUSE_DIMENSIONS}. It reads the sums that the ledger keeps of each day, and no lines. Groups with the same
 * dimensions share them, so that a long history takes little memory. Must run in a transaction.
 */
export async function readSettledDays(tx: Db, connectionId: string, today: Day): Promise<SettledDay[]> {
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
  const settled: SettledDay[] = [];
  const schema = z.object({ day: dayJson, total: decimalText, groups: z.string() });
  for await (const batch of eachRow(tx, schema, statement, BATCH_DAYS)) {
    for (const { day, total, groups } of batch) settled.push({ day, total, groups: groupsOf(groups, dimensions) });
  }
  return settled;
}

/** The dimensions by the number of their series, for those in US dollars. Equal ones are one object. */
async function readDimensions(
  tx: Db,
  connectionId: string,
  today: Day,
): Promise<ReadonlyMap<number, SpendGroup['dimensions']>> {
  const text = z.string().nullable();
  const found = await rows(
    tx,
    z.object({ no: z.int(), workspace: text, model: text, cost_type: text }),
    sql`
      select s.series_no as no, s.workspace_id as workspace, s.model, s.cost_type
      from cost_series s
      where s.connection_id = ${connectionId} and s.currency = 'USD' and s.series_no in (
        select r.series_no from days d join cost_rollup r using (day_no) where ${settledDays(connectionId, today)}
      )
    `,
  );
  const known = new Map<string, SpendGroup['dimensions']>();
  return new Map(
    found.map(({ no, ...dimensions }) => {
      const key = JSON.stringify(dimensions);
      const shared = known.get(key) ?? dimensions;
      known.set(key, shared);
      return [no, shared];
    }),
  );
}

/** Takes apart what {@link readSettledDays} asks for: the number of a series, its sum, the next number, its sum, … */
function groupsOf(text: string, dimensions: ReadonlyMap<number, SpendGroup['dimensions']>): SpendGroup[] {
  if (text === '') return [];
  const groups: SpendGroup[] = [];
  const parts = text.split(' ');
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const shared = dimensions.get(Number(parts[at]));
    // Without dimensions it is in another currency.
    if (shared !== undefined) groups.push({ dimensions: shared, usd: toCanonical(parts[at + 1] ?? ''), tokens: null });
  }
  return groups;
}
