import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import { COST_DIMENSIONS } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { eachRow } from '../core/cursor.ts';
import { list, numberArray, rows, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { correctionParts } from './corrections.ts';
import { OWN_RULES, keptParts, ledgerParts, shareParts, type OpenMonth } from './source.ts';
import { usedSeries } from './used-series.ts';

/** A line of cost, or a part of one, with who it belongs to and why. */
export interface ChargedLine {
  readonly day: Day;
  readonly connectionId: string;
  readonly connectionName: string | null;
  readonly workspaceName: string | null;
  /** The values of {@link COST_DIMENSIONS}, in their order. */
  readonly dimensions: readonly (string | null)[];
  /** Null for what belongs to nobody. */
  readonly center: string | null;
  /** The place of the rule that decided, from 0 on; null if none matched. */
  readonly rule: number | null;
  readonly pool: string | null;
  /** The statement whose rules apply; 0 for those of an open month. */
  readonly rulesOf: number;
  /** Whether it corrects a line of an earlier statement. */
  readonly isCorrection: boolean;
  /** The amount of the line. */
  readonly lineAmount: Decimal;
  /** The fraction of the line. */
  readonly share: Decimal;
  /** `lineAmount` × `share`. */
  readonly amount: Decimal;
  readonly position: LinePosition;
}

/**
 * The place of a row in the order of lines: by day, then the lines of the month before corrections. It is the same while the
 * month is open and once it is closed, whatever is corrected meanwhile.
 */
export type LinePosition = readonly [day: string, line: string, center: string];

/** Which lines to give; null for all of them. */
export interface LinesOf {
  readonly center: { readonly name: string | null } | null;
  readonly connections: readonly string[] | null;
}

const line = z.object({
  day: dayJson,
  connectionId: z.string(),
  connectionName: z.string().nullable(),
  workspaceName: z.string().nullable(),
  dimensions: z.array(z.string().nullable()),
  center: z.string().nullable(),
  rule: z.int().nullable(),
  pool: z.string().nullable(),
  rulesOf: z.int(),
  isCorrection: z.boolean(),
  lineAmount: decimalText,
  share: decimalText,
  amount: decimalText,
  position: z.tuple([z.string(), z.string(), z.string()]),
});

const ABOUT_SERIES = list(COST_DIMENSIONS.map((name) => sql.raw(`s.${name}`)));

/** A line `l` of the month is told from others of its day by the number that the ledger gave to what it is about. */
export const OWN_KEY = sql`'0' || lpad(l.series_no::text, 10, '0')`;

/** A correction is told from others of its day by the month that it corrects and by what it is about. */
function correctionKey(series: SQL): SQL {
  return sql`concat_ws(' ', '1', st.month, ${series}.organization, ${series}.series_id, ${series}.connection_id)`;
}

/** The parts up to `each_line` of an open month, with `shares` and names. */
export function openLines(open: OpenMonth): SQL[] {
  const corrections = sql`
    union all
    select c.day, c.rules_of, true, ${correctionKey(sql`c`)}, c.connection_id, ${list(COST_DIMENSIONS.map((name) => sql.raw(`c.${name}`)))},
      c.rule, c.center, c.pool, c.amount
    from corrections c join statements st on st.statement_no = c.rules_of
  `;
  return [
    ...ledgerParts(open, []),
    usedSeries(open.allocation?.rules ?? []),
    ...correctionParts(open.corrected),
    sql`each_line as (
      select d.day, ${OWN_RULES} as rules_of, false as is_correction, ${OWN_KEY} as line_key, s.connection_id, ${ABOUT_SERIES},
        s.rule, s.center, s.pool, l.amount
      from cost_days d
      join cost_lines l on l.day_no = d.day_no
      join series s on s.series_no = l.series_no
      ${open.corrected.length === 0 ? sql`` : corrections}
    )`,
    ...shareParts(open),
  ];
}

/** The parts up to `each_line` of a closed month, with `shares` and names. */
export function closedLines(statementNo: number): SQL[] {
  return [
    sql`each_line as (
      select l.day, s.rules_of, s.rules_of <> s.statement_no as is_correction,
        case when s.rules_of = s.statement_no then ${OWN_KEY} else ${correctionKey(sql`s`)} end as line_key, s.connection_id,
        ${ABOUT_SERIES}, s.rule, s.center, s.pool, l.amount
      from statement_lines l
      join statement_series s on s.statement_no = l.statement_no and s.series_no = l.series_no
      join statements st on st.statement_no = s.rules_of
      where l.statement_no = ${statementNo}::int
    )`,
    ...keptParts(statementNo),
  ];
}

/** Which lines `l` of `each_line` are wanted. A line of a pool is, if one who shares it is. */
export function isWanted({ center, connections }: LinesOf): SQL {
  const ofConnections =
    connections === null ? sql`true` : sql`l.connection_id = any(${numberArray('uuid', connections)})`;
  if (center === null) return ofConnections;
  return sql`${ofConnections} and case
    when l.pool is null then l.center is not distinct from ${center.name}::text
    else exists (
      select from shares s
      where s.rules_of = l.rules_of and s.pool = l.pool and s.center is not distinct from ${center.name}::text
    )
  end`;
}

/** The part `assigned`: the rows of the lines in a part, one for each who shares a line. */
function assigned({ center }: LinesOf, lines: SQL): SQL {
  const isOne = (name: SQL): SQL =>
    center === null ? sql`true` : sql`${name} is not distinct from ${center.name}::text`;
  return sql`assigned as (
    select l.*, 1::numeric as share from ${lines} l where l.pool is null and ${isOne(sql`l.center`)}
    union all
    select l.day, l.rules_of, l.is_correction, l.line_key, l.connection_id,
      ${list(COST_DIMENSIONS.map((name) => sql.raw(`l.${name}`)))}, l.rule, s.center, l.pool, l.amount, s.fraction
    from ${lines} l join shares s on s.rules_of = l.rules_of and s.pool = l.pool
    where ${isOne(sql`s.center`)}
  )`;
}

/** The order of those who share a line: nobody comes after everybody. */
export const ORDER_OF_CENTER = sql`(case when center is null then '2' else '1' || center end) collate "C"`;

function linesFrom(table: SQL): SQL {
  const text = (decimal: SQL): SQL => sql`trim_scale(${decimal})::text`;
  return sql`
    select p.day::text, p.connection_id as "connectionId",
      (select n.name from connection_names n where n.id = p.connection_id) as "connectionName",
      (
        select n.name from workspace_names n where n.id = p.workspace_id and n.connection_id = p.connection_id
      ) as "workspaceName",
      to_jsonb(array[${list(COST_DIMENSIONS.map((name) => sql.raw(`p.${name}`)))}]) as dimensions,
      p.center, p.rule, p.pool, p.rules_of as "rulesOf", p.is_correction as "isCorrection",
      ${text(sql`p.amount`)} as "lineAmount", ${text(sql`p.share`)} as share, ${text(sql`p.amount * p.share`)} as amount,
      jsonb_build_array(p.day, p.line_key, ${ORDER_OF_CENTER}) as position
    from ${table} p
    order by p.day, p.line_key collate "C", ${ORDER_OF_CENTER}
  `;
}

/** A page of lines by day; `after` is the position of the last one seen. Must run in a snapshot. */
export async function readChargedLines(
  tx: Db,
  parts: readonly SQL[],
  of: LinesOf,
  page: { after: LinePosition | null; limit: number },
): Promise<ChargedLine[]> {
  const { after, limit } = page;
  const isNotBefore =
    after === null
      ? sql`true`
      : sql`l.day >= ${after[0]}::date and (l.day, l.line_key collate "C") >= (${after[0]}::date, ${after[1]}::text)`;
  const isAfter =
    after === null
      ? sql`true`
      : sql`(day, line_key collate "C", ${ORDER_OF_CENTER}) > (${after[0]}::date, ${after[1]}::text, ${after[2]}::text)`;
  // Each line has a row at least, but the first one, whose rows may all be seen. So no other lines are shared.
  return rows(
    tx,
    line,
    sql`
      with ${list(parts)},
      few_lines as materialized (
        select * from each_line l where ${isNotBefore} and ${isWanted(of)}
        order by l.day, l.line_key collate "C"
        limit ${limit + 1}
      ),
      ${assigned(of, sql`few_lines`)},
      page as (
        select * from assigned where ${isAfter}
        order by day, line_key collate "C", ${ORDER_OF_CENTER}
        limit ${limit}
      )
      ${linesFrom(sql`page`)}
    `,
  );
}

/** Every line by day, in batches. Must run in a snapshot. */
export function eachChargedLine(tx: Db, parts: readonly SQL[], of: LinesOf): AsyncGenerator<readonly ChargedLine[]> {
  return eachRow(tx, line, sql`with ${list(assignedParts(parts, of))} ${linesFrom(sql`assigned`)}`);
}

/** The parts up to `assigned`: a row for each wanted line and each who shares it. */
export function assignedParts(parts: readonly SQL[], of: LinesOf): SQL[] {
  return [...parts, sql`wanted as (select * from each_line l where ${isWanted(of)})`, assigned(of, sql`wanted`)];
}
