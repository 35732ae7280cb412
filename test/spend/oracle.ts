import { daysOf, earlier, mondayOf, type Range } from './days.ts';
import { sumOf, textOf, unitsOf } from './decimal.ts';
import { COUNTS, TODAY, type Connection, type CostLine, type Ledger, type UsageLine, type Value } from './ledger.ts';
import type { Filter, Query } from './query.ts';

/**
 * Answers spend queries as docs/queries.md says, line by line from the ledger in memory. It knows nothing of SQL and
 * shares no code with what it checks.
 */

/** A line of a day that counts. */
export interface Placed<Line> {
  readonly connection: Connection;
  readonly line: Line;
  /** The day of the range that it belongs to. */
  readonly day: string;
  readonly isBefore: boolean;
}

/** A field of a row: a value, or an id with its name. */
export type Field = Value | { readonly id: Value; readonly name: string };

/** The connections that a query asks for. Refused ones never count. */
export function askedOf(ledger: Ledger, { filters }: Query): Ledger {
  return ledger.filter((connection, place) => {
    const isIn = ({ dimension, excludes, values }: Filter): boolean =>
      dimension !== 'connection' || values.includes(place) !== excludes;
    return !connection.isRefused && filters.every(isIn);
  });
}

function organizationsOf(asked: Ledger): Connection[][] {
  const names = [...new Set(asked.map(({ organization }) => organization))];
  return names.map((name) => asked.filter(({ organization }) => organization === name));
}

/** Each day of an organization counts once, from the newest connection that has it. */
function countedOn(asked: Ledger, report: 'cost' | 'usage', day: string): Connection[] {
  return organizationsOf(asked).flatMap((own) => own.findLast((one) => one[report].has(day)) ?? []);
}

/** The workspace as the organization's connections listed it last, in the ledger of all connections. */
export function workspaceOf(
  ledger: Ledger,
  organization: string,
  id: Value,
): Connection['workspaces'][number] | undefined {
  return ledger
    .filter((one) => one.organization === organization && !one.isRefused)
    .flatMap(({ workspaces }) => workspaces)
    .findLast((workspace) => workspace.id === id);
}

/** The value of a line in a dimension; null where it has none. */
function valueOf(ledger: Ledger, { connection, line }: Placed<CostLine | UsageLine>, dimension: string): Value {
  if (dimension === 'connection') return connection.id;
  if (dimension.startsWith('tag.')) {
    return workspaceOf(ledger, connection.organization, line.workspace)?.tags[dimension.slice(4)] ?? null;
  }
  return (line as unknown as Readonly<Record<string, Value>>)[dimension] ?? null;
}

/** A filter that is given the empty text asks for what has no value. So nothing asks for the empty text itself. */
function passes(
  ledger: Ledger,
  placed: Placed<CostLine | UsageLine>,
  { dimension, excludes, values }: Filter,
): boolean {
  if (dimension === 'connection') return true;
  const value = valueOf(ledger, placed, dimension);
  const asked = values.map((one) => (one === '' ? null : one));
  return asked.includes(value) !== excludes;
}

/** The lines of cost that a query adds up: those of its range, and of the earlier range in a comparison. */
export function costLinesOf(ledger: Ledger, query: Query): Placed<CostLine>[] {
  return linesOf(ledger, query, 'cost', query.filters, ({ cost }, day) => cost.get(day)?.lines ?? []);
}

/** The lines of usage that these filters of a query let through. */
export function usageLinesOf(ledger: Ledger, query: Query, filters = query.filters): Placed<UsageLine>[] {
  return linesOf(ledger, query, 'usage', filters, ({ usage }, day) => usage.get(day)?.lines ?? []);
}

function linesOf<Line extends CostLine | UsageLine>(
  ledger: Ledger,
  query: Query,
  report: 'cost' | 'usage',
  filters: readonly Filter[],
  linesOn: (connection: Connection, day: string) => readonly Line[],
): Placed<Line>[] {
  const asked = askedOf(ledger, query);
  const at = (day: string, place: string, isBefore: boolean): Placed<Line>[] =>
    countedOn(asked, report, day).flatMap((connection) =>
      linesOn(connection, day).map((line) => ({ connection, line, day: place, isBefore })),
    );
  const now = daysOf(query).flatMap((day) => at(day, day, false));
  const compared = query.compare === null ? null : earlier(query, query.compare);
  const before = compared === null ? [] : daysOf(compared.range).flatMap((day) => at(day, compared.place(day), true));
  return [...now, ...before].filter((placed) => filters.every((filter) => passes(ledger, placed, filter)));
}

/** The key of the row that a line belongs to. */
export function keyOf(ledger: Ledger, { groupBy }: Query, placed: Placed<CostLine | UsageLine>): Value[] {
  return groupBy.map((group) => {
    if (group === 'day') return placed.day;
    if (group === 'week') return mondayOf(placed.day);
    if (group === 'month') return placed.day.slice(0, 7);
    return valueOf(ledger, placed, group);
  });
}

/** By their UTF-8, element by element; nothing comes last. */
export function compareKeys(a: readonly Value[], b: readonly Value[]): number {
  for (const [place, left] of a.entries()) {
    const right = b[place] ?? null;
    if (left === right) continue;
    if (left === null) return 1;
    if (right === null) return -1;
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  }
  return 0;
}

/** Lines by the key of their row, in the order of the keys. */
export function rowsOf<One extends Placed<CostLine | UsageLine>>(
  ledger: Ledger,
  query: Query,
  lines: readonly One[],
): { key: Value[]; lines: One[] }[] {
  const byKey = new Map<string, { key: Value[]; lines: One[] }>();
  for (const line of lines) {
    const key = keyOf(ledger, query, line);
    const text = JSON.stringify(key);
    const found = byKey.get(text) ?? { key, lines: [] };
    found.lines.push(line);
    byKey.set(text, found);
  }
  return [...byKey.values()].sort((a, b) => compareKeys(a.key, b.key));
}

/** The fields of a row that its groups have. */
export function fieldsOf(ledger: Ledger, query: Query, key: readonly Value[]): Record<string, Field> {
  const asked = askedOf(ledger, query);
  const connection = ledger.find(({ id }) => id === key[query.groupBy.indexOf('connection')]);
  return Object.fromEntries(
    query.groupBy.map((group, place): [string, Field] => {
      const value = key[place] ?? null;
      if (group === 'connection') return [group, { id: value, name: connection?.name ?? '' }];
      if (group !== 'workspace') return [group, value];
      if (value === null) return [group, { id: null, name: 'Default workspace' }];
      // Several organizations may have a workspace of this id: the name that was read last is shown.
      const organizations = (connection === undefined ? asked : [connection]).map(({ organization }) => organization);
      const listing = ledger.filter((one) => organizations.includes(one.organization) && !one.isRefused);
      const named = listing.flatMap(({ workspaces }) => workspaces).findLast(({ id }) => id === value);
      return [group, { id: value, name: named?.name ?? value }];
    }),
  );
}

/** Every row with its key, and what belongs to all rows. */
export interface Answer {
  readonly rows: readonly { readonly key: readonly Value[]; readonly row: Readonly<Record<string, unknown>> }[];
  readonly totals: Readonly<Record<string, unknown>>;
}

export interface Counts {
  readonly provisional_days: string;
  readonly missing_days: string;
  readonly uncovered_days: string;
}

/** Day by day. A day is there if all reports of it are; for each organization it is at most one of the three. */
export function countsOf(ledger: Ledger, query: Query, reports: readonly ('cost' | 'usage')[], range: Range): Counts {
  const asked = askedOf(ledger, query).filter(({ isPurged }) => !isPurged);
  const counted = { provisional: 0, missing: 0, uncovered: 0 };
  for (const day of daysOf(range)) {
    const said = new Set<string>(day > TODAY ? ['uncovered'] : []);
    const covers = ({ began, ended }: Connection): boolean => began <= day && day <= (ended ?? TODAY);
    if (!asked.some(covers)) said.add('uncovered');
    for (const own of organizationsOf(asked)) {
      if (day > TODAY || !own.some(({ ended }) => ended === null || day <= ended)) continue;
      const newest = reports.map((report) => own.findLast((one) => one[report].has(day))?.[report].get(day));
      if (!own.some(covers)) said.add('uncovered');
      else if (newest.includes(undefined)) said.add('missing');
      else if (newest.some((read) => read?.isProvisional === true)) said.add('provisional');
    }
    for (const what of ['provisional', 'missing', 'uncovered'] as const) if (said.has(what)) counted[what] += 1;
  }
  return {
    provisional_days: String(counted.provisional),
    missing_days: String(counted.missing),
    uncovered_days: String(counted.uncovered),
  };
}

/** Amounts of both ranges. `previous` and `change` are there if the query compares. */
function costOf(
  query: Query,
  lines: readonly Placed<CostLine>[],
): Record<string, string> & { readonly amount: string } {
  const of = (isBefore: boolean): bigint =>
    sumOf(lines.filter((one) => one.isBefore === isBefore).map(({ line }) => unitsOf(line.amount)));
  const [now, before] = [of(false), of(true)];
  if (query.compare === null) return { amount: textOf(now) };
  return { amount: textOf(now), previous: textOf(before), change: textOf(now - before) };
}

/** Those of another currency have rows only if the rows say which. */
export function isInRows({ groupBy }: Query, { line }: Placed<CostLine>): boolean {
  return groupBy.includes('currency') || line.currency === 'USD';
}

/** What a query of costs gives: every row, and the sums of the whole range. */
export function costsOf(ledger: Ledger, query: Query): Answer {
  const lines = costLinesOf(ledger, query);
  const rows = rowsOf(
    ledger,
    query,
    lines.filter((line) => isInRows(query, line)),
  ).map(({ key, lines: own }) => ({ key, cost: costOf(query, own) }));
  if (query.order === '-amount') rows.sort((a, b) => descending(unitsOf(a.cost.amount), unitsOf(b.cost.amount)));
  const of = (currency: string): Placed<CostLine>[] => lines.filter(({ line }) => line.currency === currency);
  const others = [...new Set(lines.map(({ line }) => line.currency))].filter((currency) => currency !== 'USD').sort();
  const { amount, previous } = costOf(query, of('USD'));
  return {
    rows: rows.map(({ key, cost }) => ({ key, row: { ...fieldsOf(ledger, query, key), ...cost } })),
    totals: {
      total: amount,
      ...(previous === undefined ? {} : { total_previous: previous }),
      other_currencies: others.map((currency) => ({ currency, ...costOf(query, of(currency)) })),
    },
  };
}

export function descending(a: bigint, b: bigint): number {
  return a > b ? -1 : a < b ? 1 : 0;
}

type UsageSums = Record<string, string | Record<string, string>>;

function usageOf(lines: readonly Placed<UsageLine>[], sign: (isBefore: boolean) => bigint): UsageSums {
  const names = [...new Set(lines.flatMap(({ line }) => Object.keys(line.others)))];
  const others = names.map((name): [string, bigint] => [
    name,
    sumOf(lines.map(({ line, isBefore }) => sign(isBefore) * unitsOf(line.others[name] ?? '0'))),
  ]);
  return {
    ...Object.fromEntries(
      COUNTS.map((name, place) => [
        name,
        String(sumOf(lines.map(({ line, isBefore }) => sign(isBefore) * BigInt(line.counts[place] ?? 0)))),
      ]),
    ),
    other_counts: Object.fromEntries(others.filter(([, sum]) => sum !== 0n).map(([name, sum]) => [name, textOf(sum)])),
  };
}

const now = (isBefore: boolean): bigint => (isBefore ? 0n : 1n);
const before = (isBefore: boolean): bigint => (isBefore ? 1n : 0n);
const difference = (isBefore: boolean): bigint => (isBefore ? -1n : 1n);

/** What a query of usage gives. */
export function usagesOf(ledger: Ledger, query: Query): Answer {
  const lines = usageLinesOf(ledger, query);
  const compares = query.compare !== null;
  return {
    rows: rowsOf(ledger, query, lines).map(({ key, lines: own }) => ({
      key,
      row: {
        ...fieldsOf(ledger, query, key),
        ...usageOf(own, now),
        ...(compares ? { previous: usageOf(own, before), change: usageOf(own, difference) } : {}),
      },
    })),
    totals: { totals: usageOf(lines, now), ...(compares ? { totals_previous: usageOf(lines, before) } : {}) },
  };
}
