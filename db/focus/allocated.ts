import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { DECIMAL_SCALE, digitsOf } from '../../domain/focus/price.ts';
import type { FocusLine } from '../../domain/focus/row.ts';
import { COST_DIMENSIONS } from '../../domain/lines.ts';
import { daysOfMonth, firstDayOf, monthOf, nextMonth, type Month } from '../../domain/months.ts';
import { planForManyRows } from '../allocation/close.ts';
import {
  ORDER_OF_CENTER,
  OWN_KEY,
  assignedParts,
  closedLines,
  isWanted,
  openLines,
  type LinesOf,
} from '../allocation/lines.ts';
import { readOpenMonth, rulesOfStatements, type ReadMonth, type RulesOf } from '../allocation/months.ts';
import { closedSource, openSource, type Source } from '../allocation/source.ts';
import { findStatement } from '../allocation/statements.ts';
import { eachRow } from '../core/cursor.ts';
import { list, row, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { dayParts } from '../spend/scope.ts';
import { decimalIn, describing, lineFields, pairsOf, secondOf, spendQueryOf, type FocusQuery } from './query.ts';
import { tokenParts } from './tokens.ts';

/** A month by cost center: open, or as its statement keeps it. */
export interface AllocatedMonth {
  readonly month: Month;
  /** Null once it is closed. */
  readonly open: ReadMonth | null;
  /** The number of its statement; 0 while it is open. */
  readonly statementNo: number;
}

/** The months of a range, which begins and ends with whole ones. */
export function monthsIn({ from, to }: Pick<FocusQuery, 'from' | 'to'>): Month[] {
  const months: Month[] = [];
  for (let month = monthOf(from); month <= monthOf(to); month = nextMonth(month)) months.push(month);
  return months;
}

/** Reads how a month is allocated, and lets what follows in the transaction read it fast. Must run in a snapshot. */
export async function findAllocatedMonth(tx: Db, query: FocusQuery, month: Month): Promise<AllocatedMonth> {
  const statement = await findStatement(tx, month, null);
  await tx.execute(sql`set local cursor_tuple_fraction = 1`);
  if (statement !== null) {
    await planForManyRows(tx);
    return { month, open: null, statementNo: statement.statementNo };
  }
  await tx.execute(sql`set local enable_nestloop = on`);
  return { month, open: await readOpenMonth(tx, month, query.today, query.connections), statementNo: 0 };
}

/** Where the sums of a month come from, as in chargeback. */
export function sourceOf({ open, statementNo }: AllocatedMonth, { connections }: FocusQuery): Source {
  return open === null ? closedSource(statementNo, connections) : openSource(open);
}

/** The parts of a month up to `each_line`. */
function linesOf({ open, statementNo }: AllocatedMonth): SQL[] {
  return open === null ? closedLines(statementNo) : openLines(open);
}

/** Of all cost centers. */
function wantedOf({ connections }: FocusQuery): LinesOf {
  return { center: null, connections };
}

/**
 * At least as many digits as any amount of a month has before and behind the point. A share of a line has at most the digits
 * of both behind it, so the lines need not be shared to know.
 */
export async function digitsOfMonth(
  tx: Db,
  query: FocusQuery,
  shown: AllocatedMonth,
): Promise<{ wholeDigits: number; fractionDigits: number }> {
  const { largest, scale } = await row(
    tx,
    z.object({ largest: decimalText, scale: z.int() }),
    sql`
      with ${list(linesOf(shown))},
      lines as (
        select rules_of, pool, max(abs(amount)) as largest, max(scale(trim_scale(amount))) as scale
        -- Not from the part "wanted", which Postgres would write to disk, since several parts read it.
        from each_line l where ${isWanted(wantedOf(query))} group by rules_of, pool
      ),
      fractions as (
        select rules_of, pool, max(fraction) as largest, max(scale(trim_scale(fraction))) as scale
        from shares group by rules_of, pool
      )
      select ${decimalIn(sql`coalesce(max(l.largest * coalesce(f.largest, 1)), 0)`)} as largest,
        coalesce(max(l.scale + coalesce(f.scale, 0)), 0) as scale
      from lines l left join fractions f on f.rules_of = l.rules_of and f.pool = l.pool
    `,
  );
  return { wholeDigits: digitsOf(largest).whole, fractionDigits: Math.max(DECIMAL_SCALE, scale) };
}

const allocatedLine = z.object({
  ...lineFields,
  center: z.string().nullable(),
  rule: z.int().nullable(),
  rulesOf: z.int(),
});

/**
 * The lines of a month by day, in batches: a row for each cost center that shares one. Per cost center they add up to what
 * chargeback says of the month. Must run in a snapshot.
 */
export async function* eachAllocatedLine(
  tx: Db,
  query: FocusQuery,
  shown: AllocatedMonth,
): AsyncGenerator<readonly FocusLine[]> {
  const known = new Map<number, RulesOf>();
  if (shown.open !== null) known.set(0, ownRules(shown.open));
  for await (const batch of eachRow(tx, allocatedLine, statementOf(shown, query))) {
    const unknown = new Set(batch.map(({ rulesOf }) => rulesOf).filter((number) => !known.has(number)));
    if (unknown.size > 0)
      for (const [number, rules] of await rulesOfStatements(tx, [...unknown])) known.set(number, rules);
    yield batch.map(({ center, rule, rulesOf, ...line }) => {
      const rules = known.get(rulesOf);
      const name = rule === null ? null : (rules?.rules[rule] ?? null);
      return { ...line, allocation: { center, rule: name, version: rules?.version ?? null } };
    });
  }
}

function ownRules({ month, version, allocation }: ReadMonth): RulesOf {
  return { month, version: version?.version ?? null, rules: (allocation?.rules ?? []).map(({ name }) => name) };
}

/** The parts `named` and `read`: workspaces with their tags, and the days as they are now, of an open month. */
function contextOf({ open, statementNo }: AllocatedMonth): SQL[] {
  if (open !== null) {
    return [
      sql`named as (select connection_id, workspace_id, name, ${pairsOf(sql`tags`)} as tags from workspaces_now)`,
      sql`read as (select connection_id, day, read_at, state from cost_days)`,
    ];
  }
  return [
    sql`named as (
      select c.connection_id, w.workspace_id, w.name, ${pairsOf(sql`w.tags`)} as tags
      from statement_workspaces w join statement_connections c using (statement_no, organization)
      where statement_no = ${statementNo}::int
    )`,
    sql`read as (select null::uuid as connection_id, null::date as day, null::timestamptz as read_at, null::text as state limit 0)`,
  ];
}

/**
 * The tokens of the lines of an open month, as rows that come in the order of the lines. What a closed month bills by token
 * is not kept, so its lines have none.
 */
function billed(shown: AllocatedMonth, query: FocusQuery): { parts: SQL[]; rows: SQL } {
  if (shown.open === null) return { parts: [], rows: sql`` };
  const usage = dayParts(spendQueryOf({ ...query, ...daysOfMonth(shown.month), connections: null }), ['usage']);
  const nothing = COST_DIMENSIONS.map(() => sql`null::text`);
  return {
    parts: [...usage, ...tokenParts()],
    rows: sql`
      union all
      select false, d.day, ${OWN_KEY}, null::uuid, ${list(nothing)}, null::text, null::int, 0, false, null::numeric, null::numeric, l.tokens
      from met l join cost_days d on d.day_no = l.day_no
      where l.tokens is not null
    `,
  };
}

function statementOf(shown: AllocatedMonth, query: FocusQuery): SQL {
  const { parts, rows } = billed(shown, query);
  const dimensions = list(COST_DIMENSIONS.map((name) => sql.raw(name)));
  return sql`
    with ${list([...assignedParts(linesOf(shown), wantedOf(query)), ...contextOf(shown), ...parts])},
    -- One order instead of a join, as in the part "met".
    each_share (is_line, day, line_key, connection_id, ${dimensions}, center, rule, rules_of, is_correction, amount, share, tokens) as (
      select true, day, line_key, connection_id, ${dimensions}, center, rule, rules_of, is_correction, amount, share, null::numeric
      from assigned
      ${rows}
    ),
    priced as (select *, max(tokens) over (partition by day, line_key collate "C") as of_line from each_share)
    select p.day::text, ${firstDayOf(shown.month)}::text as "billingMonth",
      coalesce(c.organization_id, p.connection_id::text) as "accountId", c.organization_name as "accountName",
      ${describing(sql`p`)}, n.name as "workspaceName", n.tags,
      ${decimalIn(sql`p.amount * p.share`)} as amount, ${decimalIn(sql`p.of_line * p.share`)} as tokens,
      p.is_correction as "isCorrection",
      case when not p.is_correction then ${secondOf(sql`r.read_at`)} end as "readAt",
      case when not p.is_correction then r.state end as "dayState",
      p.center, p.rule, p.rules_of as "rulesOf"
    from priced p
    left join connections c on c.id = p.connection_id
    left join named n on n.connection_id = p.connection_id and n.workspace_id = p.workspace_id
    left join read r on r.connection_id = p.connection_id and r.day = p.day
    where p.is_line
    order by p.day, p.line_key collate "C", ${ORDER_OF_CENTER}
  `;
}
