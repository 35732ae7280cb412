import { sql, type SQL } from 'drizzle-orm';
import type { Allocation, Rule } from '../../domain/allocation/document.ts';
import { documentOf } from '../../domain/allocation/check.ts';
import type { Direct } from '../../domain/allocation/shares.ts';
import type { Day } from '../../domain/days.ts';
import { daysOfMonth, type Month } from '../../domain/months.ts';
import { isGrain, type Group, type SpendQuery } from '../../domain/spend/query.ts';
import { list, numberArray, textArray } from '../core/database.ts';
import { WORKSPACES_NOW, hasTag, keyElements, textOfBucket, withTags } from '../spend/groups.ts';
import { CURRENCY, addedUp, costLinesFor, type Column } from '../spend/lines.ts';
import { asked, bucketOf, dayParts } from '../spend/scope.ts';
import { correctionParts, type Corrected } from './corrections.ts';
import { valueIn } from './series.ts';
import { centerOf, dimensionsOf, namedValue, poolOf, ruleOf, type ValueOf } from './targets.ts';

/**
 * Where the lines of a month come from, as parts of a statement: from the ledger while the month is open, and from its
 * statement once it is closed. Both end with the same parts:
 * - `targeted`, sums of lines by their groups `k0`, `k1`, …: `currency`, `center`, `pool` (both null where no rule matched),
 *   `rules_of` (whose shares apply), `is_correction` and `amount`;
 * - `shares` of pools: `rules_of`, `pool`, `center` (null for what stays with nobody) and `fraction`;
 * - `workspace_names` and `connection_names`, by `id`.
 */
export interface Source {
  readonly parts: (groups: readonly Group[]) => SQL[];
}

/** An open month, and by which rules its lines are allocated. */
export interface OpenMonth {
  readonly month: Month;
  readonly today: Day;
  /** Null if no document is in force: then no line matches. */
  readonly allocation: Allocation | null;
  /** What its rules give of tokens, over all connections; null if no pool is shared by tokens. */
  readonly tokens: Direct | null;
  /** The statements whose lines were corrected since, if this month is the one that carries it. */
  readonly corrected: readonly Corrected[];
  /** Only the lines of these connections; null for all. */
  readonly connections: readonly string[] | null;
}

/** In `rules_of`, the rules of an open month. Statements are numbered from 1 on. */
export const OWN_RULES = sql`0`;

/** The query that adds up the costs of a month, split by these groups. */
export function monthQuery(month: Month, today: Day, groupBy: readonly Group[] = []): SpendQuery {
  const rest = { filters: [], order: 'key', comparison: null, after: null, limit: null } as const;
  return { ...daysOfMonth(month), today, groupBy, ...rest };
}

/** The lines of an open month. */
export function openSource(open: OpenMonth): Source {
  const { connections, corrected } = open;
  const ofConnections = connections === null ? sql`` : sql`where of_connection = any(${textArray(connections)})`;
  return {
    parts: (groups) => [
      ...ledgerParts(open, groups, connections !== null),
      ...correctionParts(corrected),
      sql`targeted as (
        select ${list([...groups.map((_, index) => keyColumn(index)), TARGET])}, amount from own ${ofConnections}
        ${corrected.length === 0 ? sql`` : sql`union all ${correctionsBy(open, groups)}`}
      )`,
      ...shareParts(open),
    ],
  };
}

const TARGET = sql`currency, center, pool, rules_of, is_correction`;

/**
 * The parts `given`, `shares`, `workspace_names` and `connection_names` of an open month. Shares follow from the lines of all
 * connections, so they are computed in the statement that adds these up. Needs `own`.
 */
export function shareParts({ allocation, tokens, corrected }: OpenMonth): SQL[] {
  return [
    sql`given as (
      select coalesce('center ' || center, 'pool ' || pool) as recipient, sum(amount) as amount
      from own
      where currency = 'USD' and (center is not null or pool is not null)
      group by 1
    )`,
    sql`shares as materialized (
      select ${OWN_RULES} as rules_of, pool, center, fraction
      from allocation_shares(
        ${JSON.stringify(allocation === null ? [] : documentOf(allocation).pools)}::jsonb,
        (select jsonb_object_agg(recipient, amount) from given),
        ${tokens === null ? null : jsonOf(tokens)}::jsonb
      )
      union all
      select statement_no, pool, center, fraction from statement_shares
      where statement_no = any(${numberArray(
        'integer',
        corrected.map(({ statementNo }) => statementNo),
      )})
    )`,
    sql`workspace_names as (select connection_id, workspace_id as id, name, read_at from workspaces_now)`,
    sql`connection_names as (select id, name from asked)`,
  ];
}

/** Amounts by recipient, as the function `allocation_shares` takes them: with all digits. */
function jsonOf({ centers, pools }: Direct): string {
  const members = (kind: string, amounts: Direct['centers']): string[] =>
    [...amounts].map(([name, amount]) => `${JSON.stringify(`${kind} ${name}`)}: ${amount}`);
  return `{${[...members('center', centers), ...members('pool', pools)].join(', ')}}`;
}

/**
 * The parts up to `own`: the costs of the ledger, by their groups and by where the rules give them; with `byConnection`, also
 * by `of_connection`.
 */
export function ledgerParts(
  { month, today, allocation }: Pick<OpenMonth, 'month' | 'today' | 'allocation'>,
  groups: readonly Group[],
  byConnection = false,
): SQL[] {
  const rules = allocation?.rules ?? [];
  const asksFor = dimensionsOf(rules);
  const ofConnection = byConnection ? ['connection' as const] : [];
  const query = monthQuery(month, today, [...new Set([...groups, ...asksFor.filter(hasTag), ...ofConnection])]);
  const { columns, valueOf } = ruleValues(rules, query);
  const elements = keyElements(query.groupBy);
  const lines = costLinesFor(query, asksFor);
  const keys = [
    ...elements.slice(0, groups.length).map((element, index) => sql`${element} as ${keyColumn(index)}`),
    ...ofConnection.map((dimension) => sql`${valueOf(dimension)} as of_connection`),
  ];
  return [
    asked(query),
    WORKSPACES_NOW,
    ...dayParts(query, ['cost']),
    sql`grouped as materialized (${addedUp(query, lines, ['amount'], [CURRENCY, ...columns])})`,
    sql`own as (
      select ${list([...keys, sql`currency, ${centerOf(rules, sql`matched.rule`, valueOf)} as center`])},
        ${poolOf(rules, sql`matched.rule`)} as pool, ${OWN_RULES} as rules_of, false as is_correction, amount
      from ${withTags(query, sql`grouped`)}
      cross join lateral (select ${ruleOf(rules, valueOf)} as rule offset 0) matched
    )`,
  ];
}

/**
 * What rules ask for, of rows that are grouped by the groups of a query: by the key of a row where it is in there, and by
 * columns of its own where not.
 */
export function ruleValues(
  rules: readonly Rule[],
  { groupBy }: Pick<SpendQuery, 'groupBy'>,
): { columns: Column[]; valueOf: ValueOf } {
  const elements = keyElements(groupBy);
  const others = dimensionsOf(rules).filter((dimension) => !groupBy.includes(dimension));
  const nameOf = (index: number): SQL => sql.raw(`r${index}`);
  return {
    columns: others.map((dimension, index) => ({
      name: nameOf(index),
      from: namedValue(rules, dimension, valueIn(dimension, sql`s`)),
    })),
    valueOf: (dimension) => elements[groupBy.indexOf(dimension)] ?? nameOf(others.indexOf(dimension)),
  };
}

/** The column of a group in `targeted`. */
export function keyColumn(index: number): SQL {
  return sql.raw(`k${index}`);
}

function correctionsBy({ connections }: OpenMonth, groups: readonly Group[]): SQL {
  const ofConnections =
    connections === null ? sql`true` : sql`s.connection_id = any(${numberArray('uuid', connections)})`;
  return sql`
    select ${list([...keysOf(groups, sql`s.day`), sql`s.currency, s.center, s.pool, s.rules_of, true, s.amount`])}
    from corrections s
    left join statement_workspaces w
      on w.statement_no = s.rules_of and w.organization = s.organization and w.workspace_id = s.workspace_id
    where ${ofConnections}
  `;
}

/** The groups of a row `s` that has the columns of a series, with the tags of its workspace in `w`. */
function keysOf(groups: readonly Group[], day: SQL): SQL[] {
  return groups.map((group, index) => {
    const value = isGrain(group) ? textOfBucket(group, bucketOf(day, group)) : valueIn(group, sql`s`);
    return sql`${value} as ${keyColumn(index)}`;
  });
}

/** The lines of a closed month, as its statement keeps them. */
export function closedSource(statementNo: number, connections: readonly string[] | null): Source {
  const no = sql`${statementNo}::int`;
  const ofConnections =
    connections === null ? sql`` : sql`and s.connection_id = any(${numberArray('uuid', connections)})`;
  return {
    parts: (groups) => [
      sql`lines as (${closedLines(no, groups)})`,
      sql`targeted as (
        select ${list([...keysOf(groups, sql`l.day`), sql`s.currency, s.center, s.pool, s.rules_of`])},
          s.rules_of <> s.statement_no as is_correction, l.amount
        from lines l
        join statement_series s on s.statement_no = ${no} and s.series_no = l.series_no ${ofConnections}
        left join statement_workspaces w
          on w.statement_no = s.rules_of and w.organization = s.organization and w.workspace_id = s.workspace_id
      )`,
      ...keptParts(statementNo),
    ],
  };
}

/** The parts `shares`, `workspace_names` and `connection_names` of a closed month. */
export function keptParts(statementNo: number): SQL[] {
  const no = sql`${statementNo}::int`;
  return [
    sql`shares as (
        select statement_no as rules_of, pool, center, fraction from statement_shares
        where statement_no in (select rules_of from statement_series where statement_no = ${no})
      )`,
    sql`workspace_names as (
      select c.connection_id, w.workspace_id as id, w.name, w.read_at
      from statement_workspaces w join statement_connections c using (statement_no, organization)
      where statement_no = ${no}
    )`,
    sql`connection_names as (select connection_id as id, name from statement_connections where statement_no = ${no})`,
  ];
}

/** Adding each series up first halves the time where days come together. */
function closedLines(no: SQL, groups: readonly Group[]): SQL {
  const grain = groups.find(isGrain);
  if (grain === 'day') return sql`select day, series_no, amount from statement_lines where statement_no = ${no}`;
  const bucket = grain === undefined ? sql`null::date` : bucketOf(sql`day`, grain);
  return sql`
    select ${bucket} as day, series_no, sum(amount) as amount
    from statement_lines
    where statement_no = ${no}
    group by 1, 2
  `;
}
