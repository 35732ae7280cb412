import type { z } from 'zod';
import { readAhead } from '../../db/core/cursor.ts';
import type { Completeness, Certainty } from '../../db/spend/completeness.ts';
import type { GroupRow } from '../../db/spend/groups.ts';
import { tagOf, type Group, type GroupKey, type SpendQuery } from '../../domain/spend/query.ts';
import { DEFAULT_WORKSPACE } from '../../domain/workspaces.ts';
import type { CsvColumn, CsvReply } from '../http/csv.ts';
import type { DescribedHeader } from '../http/endpoint.ts';
import type { Report } from './parameters.ts';
import { nextCursor } from './request.ts';
import type { groupFields as groupSchemas, reportFields as reportSchemas } from './schemas.ts';

/** The parts that replies on spend share, as JSON and as CSV. */

type GroupFields = z.input<z.ZodObject<typeof groupSchemas>>;
type ReportFields = z.input<z.ZodObject<typeof reportSchemas>>;

/** The values of a row in each group. Workspaces and connections get their names. */
export function groupFields(
  { groupBy }: Pick<SpendQuery, 'groupBy'>,
  row: GroupRow,
): GroupFields & Record<`tag.${string}`, string | null> {
  const value = (group: Group): string | null | undefined => {
    const index = groupBy.indexOf(group);
    return index < 0 ? undefined : (row.key[index] ?? null);
  };
  const [workspaceId, connectionId] = [value('workspace'), value('connection') ?? undefined];
  const tags = groupBy.filter(isTag).map((tag): [`tag.${string}`, string | null] => [tag, value(tag) ?? null]);
  return {
    day: value('day') ?? undefined,
    week: value('week') ?? undefined,
    month: value('month') ?? undefined,
    connection: connectionId === undefined ? undefined : { id: connectionId, name: row.connectionName ?? connectionId },
    workspace: workspaceId === undefined ? undefined : { id: workspaceId, name: workspaceName(row, workspaceId) },
    model: value('model'),
    token_type: value('token_type'),
    context_window: value('context_window'),
    service_tier: value('service_tier'),
    inference_geo: value('inference_geo'),
    cost_type: value('cost_type'),
    description: value('description'),
    currency: value('currency'),
    ...Object.fromEntries(tags),
  };
}

function isTag(group: Group): group is `tag.${string}` {
  return tagOf(group) !== null;
}

function workspaceName(row: GroupRow, id: string | null): string {
  return row.workspaceName ?? id ?? DEFAULT_WORKSPACE;
}

/** The fields of a reply that belong to the whole range. */
export function reportFields(query: SpendQuery, certainty: Certainty): Omit<ReportFields, 'next'> {
  const { from, to, groupBy, comparison } = query;
  return {
    from,
    to,
    group_by: [...groupBy],
    ...daysOf(certainty),
    as_of: certainty.asOf,
    ...(comparison === null || certainty.before === null
      ? {}
      : { compare: { with: comparison.with, ...comparison.range, ...daysOf(certainty.before) } }),
  };
}

/** The {@link Completeness} as fields of a reply. */
export function daysOf({ provisionalDays, missingDays, uncoveredDays }: Completeness): {
  provisional_days: number;
  missing_days: number;
  uncovered_days: number;
} {
  return { provisional_days: provisionalDays, missing_days: missingDays, uncovered_days: uncoveredDays };
}

/** The query with room for one row more than its page, which tells whether there is a next one. */
export function withOneMore(query: SpendQuery): SpendQuery {
  return query.order === 'key' && query.limit !== null ? { ...query, limit: query.limit + 1 } : query;
}

/** The rows of a page, read with {@link withOneMore}, and the cursor of the next one. */
export function pageOf<Row extends { readonly key: GroupKey }>(
  report: Report,
  query: SpendQuery,
  data: readonly Row[],
): { page: readonly Row[]; next: string | null } {
  const page = query.limit === null ? data : data.slice(0, query.limit);
  const last = page.at(-1);
  return { page, next: data.length > page.length && last !== undefined ? nextCursor(report, query, last.key) : null };
}

/** A column of a CSV file, and its cell of a row. */
export interface Column<Row> extends CsvColumn {
  readonly of: (row: Row) => string | null;
}

/** The columns of the groups, with the names that JSON has. */
export function groupColumns({ groupBy }: Pick<SpendQuery, 'groupBy'>): Column<GroupRow>[] {
  return groupBy.flatMap((group, index): Column<GroupRow>[] => {
    const value = (row: GroupRow): string | null => row.key[index] ?? null;
    if (group !== 'workspace' && group !== 'connection') return [{ name: group, isNumber: false, of: value }];
    const name = (row: GroupRow): string | null =>
      group === 'workspace' ? workspaceName(row, value(row)) : (row.connectionName ?? value(row));
    return [
      { name: `${group}_id`, isNumber: false, of: value },
      { name: `${group}_name`, isNumber: false, of: name },
    ];
  });
}

/** What a header of a file has, for the OpenAPI document. */
export function inFile(what: string): DescribedHeader {
  return { description: `${what}. Only in CSV.`, schema: { type: 'string' } };
}

function countInFile(what: string): DescribedHeader {
  return { ...inFile(what), schema: { type: 'integer', minimum: 0 } };
}

/** The headers that every report in CSV has; those of the earlier range only in a comparison. */
export const FILE_HEADERS = {
  'Content-Disposition': inFile('The name of the file'),
  'Meterline-Provisional-Days': countInFile('`provisional_days` of JSON'),
  'Meterline-Missing-Days': countInFile('`missing_days` of JSON'),
  'Meterline-Uncovered-Days': countInFile('`uncovered_days` of JSON'),
  'Meterline-As-Of': inFile('`as_of` of JSON; absent if no day was read'),
};
/** The headers that comparisons have beside {@link FILE_HEADERS}. */
export const COMPARED_FILE_HEADERS = {
  'Meterline-Previous-Provisional-Days': countInFile('`compare.provisional_days` of JSON; absent without `compare`'),
  'Meterline-Previous-Missing-Days': countInFile('`compare.missing_days` of JSON; absent without `compare`'),
  'Meterline-Previous-Uncovered-Days': countInFile('`compare.uncovered_days` of JSON; absent without `compare`'),
};
/** The header of costs in other currencies. */
export const OTHER_CURRENCIES_HEADER = {
  'Meterline-Other-Currencies': inFile('`other_currencies` as JSON; absent if there are none'),
};

/** Writes a report in CSV: what belongs to the whole range in headers, then every row. */
export async function writeCsv<Row>(
  reply: CsvReply,
  report: {
    readonly name: string;
    readonly query: SpendQuery;
    readonly certainty: Certainty;
    readonly totals: Readonly<Record<string, string>>;
    readonly columns: readonly Column<Row>[];
    readonly rows: AsyncGenerator<readonly Row[]>;
  },
): Promise<void> {
  const { query, columns } = report;
  const name = `${report.name}_${query.from}_${query.to}.csv`;
  const takesRows = await reply.begin(name, { ...certaintyHeaders(report.certainty), ...report.totals }, columns);
  if (!takesRows) return;
  for await (const rows of readAhead(report.rows)) {
    if (!reply.isOpen) return;
    await reply.rows(rows.map((row) => columns.map(({ of }) => of(row))));
  }
}

/** How certain a file is, as its headers. */
export function certaintyHeaders({ asOf, before, ...days }: Certainty): Record<string, string> {
  return {
    ...dayHeaders('Meterline', days),
    ...(before === null ? {} : dayHeaders('Meterline-Previous', before)),
    ...(asOf === null ? {} : { 'Meterline-As-Of': asOf }),
  };
}

function dayHeaders(prefix: string, days: Completeness): Record<string, string> {
  return {
    [`${prefix}-Provisional-Days`]: String(days.provisionalDays),
    [`${prefix}-Missing-Days`]: String(days.missingDays),
    [`${prefix}-Uncovered-Days`]: String(days.uncoveredDays),
  };
}
