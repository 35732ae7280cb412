import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import type { FocusLine } from '../../domain/focus/row.ts';
import { firstDayOf, monthOf, nextMonth, type Month } from '../../domain/months.ts';
import { CHANGED_DAYS, correctedStatements, correctionParts, type Corrected } from '../allocation/corrections.ts';
import { lastClosedMonth } from '../allocation/versions.ts';
import { eachRow } from '../core/cursor.ts';
import { list, numberArray, rows, textArray, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { WORKSPACES_NOW } from '../spend/groups.ts';
import { asked, dayParts } from '../spend/scope.ts';
import {
  decimalIn,
  describing,
  dimensionsIn,
  lineSchema,
  pairsOf,
  secondOf,
  spendQueryOf,
  type FocusQuery,
} from './query.ts';
import { tokenParts } from './tokens.ts';

/** A day of an organization, in a closed month, whose cost was corrected after the month was closed. */
export interface CorrectedDay {
  readonly day: Day;
  readonly organization: string;
  readonly dayNo: number;
}

/**
 * The corrected days of closed months, oldest first: those whose corrections a later statement carries, and those that wait
 * for one. A connection that is asked for by itself may have a day that another one of its organization has as well: only
 * the day that counts was ever closed. Must run in a snapshot.
 */
export async function correctedDays(tx: Db, query: FocusQuery): Promise<CorrectedDay[]> {
  if ((await lastClosedMonth(tx)) === null) return [];
  const spend = spendQueryOf(query);
  return rows(
    tx,
    z.object({ day: dayJson, organization: z.string(), dayNo: z.int() }),
    sql`
      with ${list([asked(spend), ...dayParts(spend, ['cost'])])}
      select d.day::text, d.organization, d.day_no as "dayNo"
      from cost_days d
      where d.day_no in (
        select day_no from (${CHANGED_DAYS}) pending
        union all
        select counted.day_no
        from statements carrier
        join statement_lines l on l.statement_no = carrier.statement_no and l.day < carrier.month
        join statement_series s on s.statement_no = l.statement_no and s.series_no = l.series_no
        join statements st on st.statement_no = s.rules_of and st.state = 'closed'
        join counted_days counted
          on counted.report = 'cost' and counted.organization = s.organization and counted.day = l.day
        where carrier.state = 'closed' and l.day between ${query.from}::date and ${query.to}::date
      )
      order by d.day, d.organization collate "C"
    `,
  );
}

/**
 * The lines of a range by day, in batches, so that memory grows neither with the range nor with a day. Each day adds up to
 * what the ledger has. A day of a closed month that was corrected since comes as it was closed, with each change as a
 * line of its own. Must run in a snapshot.
 */
export async function* eachFocusLine(
  tx: Db,
  query: FocusQuery,
  corrected: readonly CorrectedDay[],
): AsyncGenerator<readonly FocusLine[]> {
  // Every row is read, so a plan that has its first one soon is a bad plan.
  await tx.execute(sql`set local cursor_tuple_fraction = 1`);
  const statements = corrected.length === 0 ? [] : await correctedStatements(tx);
  const last = await lastClosedMonth(tx);
  for (const day of await daysWithCosts(tx, query)) {
    const ofDay = corrected.filter((one) => one.day === day);
    const own = { ...query, from: day, to: day };
    yield* eachRow(tx, lineSchema, ledgerLines(own, ofDay));
    if (ofDay.length > 0 && last !== null) {
      yield* eachRow(tx, lineSchema, closedLines(own, ofDay, statements, nextMonth(last)));
    }
  }
}

async function daysWithCosts(tx: Db, query: FocusQuery): Promise<Day[]> {
  const spend = spendQueryOf(query);
  const found = await rows(
    tx,
    z.object({ day: dayJson }),
    sql`
      with ${list([asked(spend), ...dayParts(spend, ['cost'])])}
      select distinct d.day::text as day from cost_days d
      order by 1
    `,
  );
  return found.map(({ day }) => day);
}

/**
 * The part `named`: for each connection the workspaces of its organization, with the name that each had on a day, or the
 * first one that is known, and with its tags. Needs `asked` and `workspaces_now`.
 */
function named(day: Day): SQL {
  return sql`named as materialized (
    select w.connection_id, w.workspace_id, ${pairsOf(sql`w.tags`)} as tags,
      coalesce(
        (
          -- An organization that was connected again has earlier names from the connection before.
          select n.name from workspace_names n
          where n.connection_id = any(a.siblings) and n.workspace_id = w.workspace_id
          order by n.first_seen <= ${day}::date desc, abs(n.first_seen - ${day}::date), n.id desc
          limit 1
        ),
        w.name
      ) as name
    from workspaces_now w join asked a on a.id = w.connection_id
  )`;
}

/** The lines of a day as the ledger has them, without those of corrected days. */
function ledgerLines(query: FocusQuery, without: readonly CorrectedDay[]): SQL {
  const spend = spendQueryOf(query);
  const excluded = numberArray(
    'integer',
    without.map(({ dayNo }) => dayNo),
  );
  return sql`
    with ${list([asked(spend), WORKSPACES_NOW, ...dayParts(spend, ['cost', 'usage']), named(query.from), ...tokenParts()])}
    select d.day::text, ${firstDayOf(monthOf(query.from))}::text as "billingMonth",
      d.organization as "accountId", a.organization_name as "accountName", ${describing(sql`s`)},
      n.name as "workspaceName", n.tags, ${decimalIn(sql`m.amount`)} as amount, ${decimalIn(sql`m.tokens`)} as tokens,
      false as "isCorrection", ${secondOf(sql`d.read_at`)} as "readAt", d.state as "dayState", null as allocation
    from met m
    join cost_days d on d.day_no = m.day_no
    join asked a on a.id = d.connection_id
    join cost_series s on s.series_no = m.series_no
    left join named n on n.connection_id = s.connection_id and n.workspace_id = s.workspace_id
    where d.day_no <> all(${excluded})
    order by m.day_no, m.series_no
  `;
}

/**
 * The lines of corrected days: as they were closed, the changes that later statements carry, and those that `pending`, the
 * open month after the last closed one, will carry. Together they are what the ledger has.
 */
function closedLines(
  query: FocusQuery,
  ofDay: readonly CorrectedDay[],
  statements: readonly Corrected[],
  pending: Month,
): SQL {
  const spend = spendQueryOf(query);
  const day = sql`${query.from}::date`;
  const organizations = textArray(ofDay.map(({ organization }) => organization));
  const waiting = sql`
    union all
    select ${firstDayOf(pending)}::date, true, c.rules_of, c.organization, c.connection_id, c.series_id, ${dimensionsIn(sql`c`)},
      c.amount, d.read_at, d.state
    from corrections c join cost_days d on d.organization = c.organization
    where c.organization = any(${organizations})
  `;
  return sql`
    with ${list([asked(spend), WORKSPACES_NOW, ...dayParts(spend, ['cost']), named(query.from)])},
    ${list([
      ...correctionParts(statements, query),
      sql`each_line as (
        select carrier.month, s.rules_of <> s.statement_no as is_correction, s.rules_of, s.organization, s.connection_id,
          s.series_id, ${dimensionsIn(sql`s`)}, l.amount, null::timestamptz as read_at, null::text as state
        from statements closed
        join statements carrier on carrier.state = 'closed' and carrier.statement_no >= closed.statement_no
        join statement_lines l on l.statement_no = carrier.statement_no and l.day = ${day}
        join statement_series s on s.statement_no = l.statement_no and s.series_no = l.series_no
          and s.rules_of = closed.statement_no
        where closed.state = 'closed' and closed.month = date_trunc('month', ${day}::timestamp)::date
          and s.organization = any(${organizations})
        ${statements.length === 0 ? sql`` : waiting}
      )`,
    ])}
    select ${query.from}::text as day, l.month::text as "billingMonth", l.organization as "accountId",
      (select c.organization_name from connections c where c.id = l.connection_id) as "accountName", ${describing(sql`l`)},
      coalesce(w.name, n.name) as "workspaceName", case when w.name is null then n.tags else ${pairsOf(sql`w.tags`)} end as tags,
      ${decimalIn(sql`l.amount`)} as amount, null::text as tokens, l.is_correction as "isCorrection",
      ${secondOf(sql`l.read_at`)} as "readAt", l.state as "dayState", null as allocation
    from each_line l
    left join statement_workspaces w
      on w.statement_no = l.rules_of and w.organization = l.organization and w.workspace_id = l.workspace_id
    left join named n on n.connection_id = l.connection_id and n.workspace_id = l.workspace_id
    order by l.organization collate "C", l.is_correction, l.month, l.series_id
  `;
}
