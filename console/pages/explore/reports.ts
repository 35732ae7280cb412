import { ask, type Query, type Reply } from '../../client/client.ts';
import { difference, sum } from '../../format/decimal.ts';
import { valueText, type Report } from './dimensions.ts';
import { COUNTS, recordOf, type Count, type SpendQuery } from './query.ts';

/** The numbers of a row as exact texts, by the names that the API gives them, and the reasons of those that are null. */
export type Figures = Readonly<Record<string, string | null>>;

/** A value of a group: as the API knows it, and for people. */
export interface Value {
  readonly id: string | null;
  readonly name: string;
}

/** A row of a report. */
export interface Line {
  readonly values: readonly Value[];
  readonly figures: Figures;
}

/** A page of a report; all reports look alike here. */
export interface Page {
  readonly from: string;
  readonly to: string;
  readonly groupBy: readonly string[];
  readonly lines: readonly Line[];
  /** The rows that are not in `lines`, where the largest come first. */
  readonly other: { readonly rows: number; readonly figures: Figures } | null;
  readonly total: Figures;
  readonly otherCurrencies: readonly { readonly currency: string; readonly amount: string }[];
  readonly provisional_days: number;
  readonly missing_days: number;
  readonly uncovered_days: number;
  readonly asOf: string | null;
  readonly compare: Compared | null;
  readonly next: string | null;
}

/** The earlier range of a comparison. */
export interface Compared {
  readonly from: string;
  readonly to: string;
  readonly missing_days: number;
  readonly uncovered_days: number;
}

/** The figure that a report is about, which its chart shows. */
export const MAIN: Readonly<Record<Report, string>> = {
  costs: 'amount',
  changes: 'after',
  'unit-costs': 'amount',
  usage: 'counted',
};

/** Asks one page of a report. Throws as {@link ask} does. */
export async function askPage(
  query: SpendQuery,
  page: { readonly limit: number; readonly after?: string | null },
  signal: AbortSignal,
): Promise<Page> {
  const asked = { query: { ...recordOf(query), ...page, limit: String(page.limit) } satisfies Query, signal };
  switch (query.report) {
    case 'costs':
      return ofCosts(await ask('get', '/v1/costs', asked));
    case 'changes':
      return ofChanges(await ask('get', '/v1/costs/changes', asked));
    case 'unit-costs':
      return ofUnitCosts(await ask('get', '/v1/unit-costs', asked));
    case 'usage':
      return ofUsage(await ask('get', '/v1/usage', asked), query.count);
  }
}

/** Asks every page of a report, as one. */
export async function askAll(query: SpendQuery, signal: AbortSignal): Promise<Page> {
  const first = await askPage(query, { limit: 10_000 }, signal);
  const lines = [...first.lines];
  for (let after = first.next; after !== null;) {
    const page = await askPage(query, { limit: 10_000, after }, signal);
    lines.push(...page.lines);
    after = page.next;
  }
  return { ...first, lines, next: null };
}

function ofCosts(reply: Reply<'/v1/costs'>): Page {
  return {
    ...common(reply),
    total: withChange({ amount: reply.total, previous: reply.total_previous ?? null }),
    otherCurrencies: reply.other_currencies,
  };
}

function withChange(total: { readonly amount: string; readonly previous: string | null }): Figures {
  return total.previous === null
    ? { amount: total.amount }
    : { ...total, change: difference(total.amount, total.previous) };
}

function ofChanges(reply: Reply<'/v1/costs/changes'>): Page {
  return {
    ...common(reply),
    total: figuresOf(reply.total),
    otherCurrencies: reply.other_currencies.map(({ currency, after }) => ({ currency, amount: after })),
  };
}

function ofUnitCosts(reply: Reply<'/v1/unit-costs'>): Page {
  return {
    ...common(reply),
    total: figuresOf(reply.total),
    otherCurrencies: reply.other_currencies,
  };
}

function ofUsage(reply: Reply<'/v1/usage'>, count: Count | null): Page {
  const figures = (row: Counts & { readonly previous?: Counts; readonly change?: Counts }): Figures => ({
    ...countsOf(row, count),
    ...(row.previous === undefined ? {} : { previous: countsOf(row.previous, count).counted }),
    ...(row.change === undefined ? {} : { change: countsOf(row.change, count).counted }),
  });
  const total = countsOf(reply.totals, count);
  const before = reply.totals_previous === undefined ? null : countsOf(reply.totals_previous, count).counted;
  return {
    ...common(reply, figures),
    total: before === null ? total : { ...total, previous: before, change: difference(total.counted, before) },
    otherCurrencies: [],
  };
}

type Counts = Readonly<Record<Count, number>> & {
  readonly other_counts: Readonly<Record<string, number | string>>;
};

/** The counts of a row, all tokens together, and the one that the chart shows. */
function countsOf(row: Counts, count: Count | null): Figures & { readonly counted: string } {
  const text = (name: Count): string => wholeText(row[name]);
  const counts = Object.fromEntries(COUNTS.map((name) => [name, text(name)]));
  const unnamed = Object.entries(row.other_counts).filter(([name]) => name.endsWith('tokens'));
  const tokens = sum(
    ...COUNTS.filter((name) => name !== 'web_search_requests').map(text),
    ...unnamed.map(([, value]) => wholeText(value)),
  );
  return { ...counts, tokens, counted: count === null ? tokens : text(count) };
}

/** Large numbers as digits and not with an exponent. */
function wholeText(value: number | string): string {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value).toString() : String(value);
}

interface CommonReply<Row> {
  readonly from: string;
  readonly to: string;
  readonly group_by: readonly string[];
  readonly provisional_days: number;
  readonly missing_days: number;
  readonly uncovered_days: number;
  readonly as_of: string | null;
  readonly compare?: Compared;
  readonly next: string | null;
  readonly data: readonly Row[];
  readonly other?: { readonly rows: number };
}

function common<Row extends object>(
  reply: CommonReply<Row>,
  figures: (row: Row) => Figures = figuresOf,
): Omit<Page, 'total' | 'otherCurrencies'> {
  const { group_by: groupBy, as_of: asOf, compare = null, data, other } = reply;
  return {
    ...reply,
    ...{ groupBy, asOf, compare },
    lines: linesOf(groupBy, data, figures),
    other: other === undefined ? null : { rows: other.rows, figures: figuresOf(other) },
  };
}

function linesOf<Row extends object>(
  groupBy: readonly string[],
  rows: readonly Row[],
  figures: (row: Row) => Figures,
): Line[] {
  const columns = groupBy.map((group) =>
    distinct(rows.map((row) => valueOf(group, Object.getOwnPropertyDescriptor(row, group)?.value))),
  );
  return rows.map((row, index) => ({
    values: columns.flatMap((values) => values[index] ?? []),
    figures: figures(row),
  }));
}

/** Several workspaces may have one name; the end of the id then tells them apart. */
export function distinct<V extends Value>(values: readonly V[]): V[] {
  const ids = new Map<string, Set<string | null>>();
  for (const { id, name } of values) ids.set(name, (ids.get(name) ?? new Set()).add(id));
  return values.map((value) => {
    const isShared = (ids.get(value.name)?.size ?? 0) > 1;
    return isShared && value.id !== null ? { ...value, name: `${value.name} (…${value.id.slice(-4)})` } : value;
  });
}

/** A value of a group, as a row of a reply has it. */
export function valueOf(group: string, value: unknown): Value {
  if (typeof value === 'object' && value !== null && 'id' in value && 'name' in value) {
    return { id: typeof value.id === 'string' ? value.id : null, name: String(value.name) };
  }
  const id = typeof value === 'string' ? value : null;
  return { id, name: valueText(group, id) };
}

/** The texts of a row. Those of its groups are among them, which nobody reads there. */
function figuresOf(row: object): Figures {
  return Object.fromEntries(
    Object.entries(row).filter(
      (entry): entry is [string, string | null] => entry[1] === null || typeof entry[1] === 'string',
    ),
  );
}
