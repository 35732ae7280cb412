import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import { COST_DIMENSIONS } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { eachRow } from '../core/cursor.ts';
import { list, numberArray, rows, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { WORKSPACES_NOW } from '../spend/groups.ts';
import { asked, dayParts } from '../spend/scope.ts';
import { correctionParts } from './corrections.ts';
import { matchedParts } from './matched.ts';
import { OWN_RULES, keptParts, monthQuery, shareParts, type OpenMonth } from './source.ts';

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

/** The place of a row in the order of lines. */
export type LinePosition = readonly [day: string, rulesOf: number, seriesNo: number, center: string];

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
  position: z.tuple([z.string(), z.int(), z.int(), z.string()]),
});

const ABOUT = list(COST_DIMENSIONS.map((name) => sql.raw(name)));
const ABOUT_SERIES = list(COST_DIMENSIONS.map((name) => sql.raw(`s.${name}`)));

/** The parts up to `each_line` of an open month, with `shares` and names. */
export function openLines(open: OpenMonth): SQL[] {
  const query = monthQuery(open.month, open.today);
  const corrections = sql`
    union all
    select day, rules_of, true, -dense_rank() over (order by rules_of, organization, connection_id, series_id)::int,
      connection_id, ${ABOUT}, rule, center, pool, amount
    from corrections
  `;
  return [
    asked(query),
    WORKSPACES_NOW,
    ...dayParts(query, ['cost']),
    ...matchedParts(open.allocation?.rules ?? []),
    ...correctionParts(open.corrected),
    sql`each_line as (
      select d.day, ${OWN_RULES} as rules_of, false as is_correction, l.series_no, s.connection_id, ${ABOUT_SERIES},
        m.rule, m.center, m.pool, l.amount
      from cost_days d
      join cost_lines l on l.day_no = d.day_no
      join series s on s.series_no = l.series_no
      join matched m on m.combination = s.combination
      ${open.corrected.length === 0 ? sql`` : corrections}
    )`,
    ...shareParts(open),
  ];
}

/** The parts up to `each_line` of a closed month, with `shares` and names. */
export function closedLines(statementNo: number): SQL[] {
  return [
    sql`each_line as (
      select l.day, s.rules_of, s.rules_of <> s.statement_no as is_correction, s.series_no, s.connection_id,
        ${ABOUT_SERIES}, s.rule, s.center, s.pool, l.amount
      from statement_lines l join statement_series s using (statement_no, series_no)
      where l.statement_no = ${statementNo}::int
    )`,
    ...keptParts(statementNo),
  ];
}

function assigned(parts: readonly SQL[], { center, connections }: LinesOf): SQL {
  const isWanted = (name: SQL): SQL =>
    center === null ? sql`true` : sql`${name} is not distinct from ${center.name}::text`;
  const ofConnections =
    connections === null ? sql`true` : sql`l.connection_id = any(${numberArray('uuid', connections)})`;
  return sql`
    with ${list(parts)},
    assigned as (
      select l.*, 1::numeric as share from each_line l
      where l.pool is null and ${isWanted(sql`l.center`)} and ${ofConnections}
      union all
      select l.day, l.rules_of, l.is_correction, l.series_no, l.connection_id,
        ${list(COST_DIMENSIONS.map((name) => sql.raw(`l.${name}`)))}, l.rule, s.center, l.pool, l.amount, s.fraction
      from each_line l join shares s on s.rules_of = l.rules_of and s.pool = l.pool
      where ${isWanted(sql`s.center`)} and ${ofConnections}
    )
  `;
}

/** Nobody comes after everybody. */
const ORDER_OF_CENTER = sql`(case when center is null then '2' else '1' || center end) collate "C"`;

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
      jsonb_build_array(p.day, p.rules_of, p.series_no, ${ORDER_OF_CENTER}) as position
    from ${table} p
    order by p.day, p.rules_of, p.series_no, ${ORDER_OF_CENTER}
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
  const isAfter =
    after === null
      ? sql``
      : sql`where (day, rules_of, series_no, ${ORDER_OF_CENTER}) > (${after[0]}::date, ${after[1]}::int, ${after[2]}::int, ${after[3]}::text)`;
  return rows(
    tx,
    line,
    sql`
      ${assigned(parts, of)},
      page as (
        select * from assigned ${isAfter}
        order by day, rules_of, series_no, ${ORDER_OF_CENTER}
        limit ${limit}
      )
      ${linesFrom(sql`page`)}
    `,
  );
}

/** Every line by day, in batches. Must run in a snapshot. */
export function eachChargedLine(tx: Db, parts: readonly SQL[], of: LinesOf): AsyncGenerator<readonly ChargedLine[]> {
  return eachRow(tx, line, sql`${assigned(parts, of)} ${linesFrom(sql`assigned`)}`);
}
