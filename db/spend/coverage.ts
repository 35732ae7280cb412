import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { COVERAGE_STATES, type CoverageState } from '../../domain/reading.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { list, row, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { COUNTS, STATE_BY_DAY, completenessFields, completenessParts, type Completeness } from './completeness.ts';
import { giveRoom } from './rows.ts';
import { DAY_PARTS, asked, countedRestatements, dayParts } from './scope.ts';

/** How the cost of a day changed after it had been read complete, in USD, over the connections whose cost it was. */
export interface RestatedDay {
  /** As it was first read complete. */
  readonly before: Decimal;
  /** As it was restated last. */
  readonly after: Decimal;
  /** `after` less `before`. */
  readonly changed: Decimal;
  /** The instant of the last restatement, in RFC 3339. */
  readonly at: string;
  /** How many restatements there were. */
  readonly times: number;
}

/** What is known about the cost of a day. */
export interface CoveredDay {
  readonly day: Day;
  readonly state: CoverageState;
  /** Whether a connection's lines differ from the total that Anthropic reports. */
  readonly flagged: boolean;
  /** Null if nothing was restated. */
  readonly restated: RestatedDay | null;
}

/** Every day of a range, oldest first, and the {@link Completeness} of the range. */
export interface Coverage extends Completeness {
  readonly days: readonly CoveredDay[];
}

const restated = z.object({
  before: decimalText,
  after: decimalText,
  changed: decimalText,
  at: z.string(),
  times: z.int(),
});
const coverage = z.object({
  ...completenessFields,
  days: z.array(
    z.object({ day: dayJson, state: z.enum(COVERAGE_STATES), flagged: z.boolean(), restated: restated.nullable() }),
  ),
});

/** How far each day of a query's range was read, as far as all of these reports have it. One statement, so that days and counts speak of the same instant. */
export async function readCoverage(
  db: Db,
  query: SpendQuery,
  reports: readonly Report[] = ['cost'],
): Promise<Coverage> {
  const dayTables = reports.map((report) => DAY_PARTS[report].after);
  const statement = sql`
    with
      ${list([asked(query), ...dayParts(query, reports), ...completenessParts(query, query.today, dayTables)])},
      restatements_of_day as (
        select r.*, lag(r.id) over by_day is null as is_first, lead(r.id) over by_day is null as is_last
        from (${countedRestatements(query, 'cost', query)}) r
        window by_day as (partition by r.connection_id, r.day order by r.id)
      ),
      restated as (
        select day, jsonb_build_object(
          'before', trim_scale(sum(before) filter (where is_first))::text,
          'after', trim_scale(sum(after) filter (where is_last))::text,
          'changed', trim_scale(sum(after) filter (where is_last) - sum(before) filter (where is_first))::text,
          'at', to_char(max(at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
          'times', count(*)
        ) as change
        from restatements_of_day
        group by day
      )
    select ${COUNTS} || jsonb_build_object('days', (
      select jsonb_agg(jsonb_build_object(
        'day', day, 'state', states.state, 'flagged', states.flagged, 'restated', restated.change
      ) order by day)
      from (${STATE_BY_DAY}) states left join restated using (day)
    )) as coverage
  `;
  const read = async (tx: Db): Promise<Coverage> => {
    await giveRoom(tx);
    return (await row(tx, z.object({ coverage }), statement)).coverage;
  };
  return db.transaction(read, { accessMode: 'read only' });
}
