import { toRanges, type Day, type DayRange } from '../days.ts';
import { ZERO, ofUnits, subtractDecimals, toUnits, type Decimal } from '../money.ts';
import type { NoticeContent, NoticeTable } from '../notices/content.ts';
import { cents, dollars, signedCents } from '../notices/spell.ts';
import { parameterOf } from '../spend/parameters.ts';
import type { Dimension } from '../spend/query.ts';
import type { StoredQuery } from '../spend/stored-query.ts';
import type { Every } from './periods.ts';

// Types and not interfaces, since only those count as JSON.

/** The days of a period that a sum is not certain of. A day may be in several lists. */
export type DoubtfulDays = {
  /** A connection should have them and has them not yet. */
  readonly missing: readonly Day[];
  /** Read before they were over, and not since. */
  readonly unfinished: readonly Day[];
  /** No connection covers them. */
  readonly uncovered: readonly Day[];
  /** Anthropic may still change them. */
  readonly provisional: readonly Day[];
  /** Their lines do not add up to their totals. */
  readonly flagged: readonly Day[];
};

/** A group of lines in both periods, in USD. Null amounts stand for a period of which nothing was read. */
export type ReportedGroup = {
  /** The names of what it is grouped by, as people read them. */
  readonly names: readonly string[];
  readonly amount: Decimal | null;
  readonly before: Decimal | null;
  readonly change: Decimal | null;
};

/** What a report tells. Amounts are exact, in USD; null stands for no data, which is not zero. */
export type ReportData = {
  readonly report: { readonly id: string; readonly name: string };
  readonly every: Every;
  readonly time_zone: string;
  readonly query: StoredQuery;
  readonly group_by: readonly string[];
  readonly from: Day;
  readonly to: Day;
  readonly total: Decimal | null;
  readonly days: DoubtfulDays;
  readonly before: {
    readonly from: Day;
    readonly to: Day;
    readonly total: Decimal | null;
    readonly days: DoubtfulDays;
  };
  readonly change: Decimal | null;
  /** Of the period before, rounded to two decimals; null without a period before that cost something. */
  readonly change_percent: Decimal | null;
  /** Adds up to `change`; null if cost or usage of a day of either period is not there. */
  readonly why: {
    readonly volume: Decimal;
    readonly mix: Decimal;
    readonly price: Decimal;
    readonly unmatched: Decimal;
  } | null;
  /** The largest first. */
  readonly groups: readonly ReportedGroup[];
  /** The groups that are not listed; null if all are. */
  readonly other: { readonly count: number; readonly amount: Decimal; readonly before: Decimal | null } | null;
  /** The largest changes first, up or down. */
  readonly movers: readonly ReportedGroup[];
  readonly other_currencies: readonly {
    readonly currency: string;
    readonly amount: Decimal | null;
    readonly before: Decimal | null;
  }[];
};

/** The change of a total; null without data on either side. */
export function changeOf(amount: Decimal | null, before: Decimal | null): Decimal | null {
  return amount === null || before === null ? null : subtractDecimals(amount, before);
}

/** A change in percent, rounded to two decimals, half away from zero; null if there was nothing before. */
export function percentOf(change: Decimal | null, before: Decimal | null): Decimal | null {
  if (change === null || before === null || before === ZERO) return null;
  const [part = 0n, whole = 0n] = toUnits([change, before]).units;
  const size = (number: bigint): bigint => (number < 0n ? -number : number);
  const rounded = (size(part) * 20_000n + size(whole)) / (2n * size(whole));
  return ofUnits(part < 0n === whole < 0n ? rounded : -rounded, 2);
}

/** The subject: what the period cost, and by how much that changed. */
export function subjectOf({ report, total, change, change_percent: percent, ...period }: ReportData): string {
  if (total === null) return `${report.name}: no data for ${spellRange(period)}`;
  const changed = change === null ? '' : `, ${signedDollars(change)}${inPercent(percent)}`;
  return `${report.name}: ${dollars(total)} ${on(period)}${changed}`;
}

/** What happened, in sentences. */
export function sentenceOf(data: ReportData): string {
  const { total, before, change, change_percent: percent } = data;
  const cost =
    total === null
      ? `There is no data for ${spellRange(data)}: no day of it was read. That is not zero.`
      : `The cost ${on(data)} was ${dollars(total)}.`;
  const earlier =
    before.total === null
      ? `There is no data for the period before, ${spellRange(before)}.`
      : change === null
        ? `The period before, ${spellRange(before)}, cost ${dollars(before.total)}.`
        : `That is ${signedDollars(change)}${inPercent(percent)} against ${dollars(before.total)} ${on(before)}.`;
  return [cost, earlier, ...doubts(data)].join(' ');
}

/** What to do; null if every day is there. */
export function actionOf({ days }: ReportData): string | null {
  if (days.missing.length > 0 || days.unfinished.length > 0) {
    return 'Look at the connections: days are read late. The total is a lower bound until they are read.';
  }
  return days.flagged.length > 0
    ? 'Do not close a month over the days that do not add up; Meterline reads them again with every sync.'
    : null;
}

/** The figures beside the sentences. */
export function factsOf(data: ReportData): NoticeContent['facts'] {
  const { total, before, change, change_percent: percent, why } = data;
  return [
    { label: 'Period', value: spellRange(data) },
    { label: 'Total', value: total === null ? 'no data' : dollars(total) },
    { label: `Before (${spellRange(before)})`, value: before.total === null ? 'no data' : dollars(before.total) },
    { label: 'Change', value: change === null ? 'no data' : `${signedDollars(change)}${inPercent(percent)}` },
    ...(change === null ? [] : [{ label: 'Why', value: why === null ? NOT_EXPLAINED : spellWhy(why) }]),
    ...data.other_currencies.map(({ currency, amount, before: earlier }) => ({
      label: `In ${currency}`,
      value: `${amountText(amount)}, before ${amountText(earlier)}`,
    })),
    ...factsOfDays('', data.days),
    ...factsOfDays(' before', before.days),
  ];
}

/** The largest groups, and those that changed most. */
export function tablesOf(data: ReportData): NoticeTable[] {
  const { groups, other, movers, group_by: groupBy } = data;
  const columns = [
    ...groupBy.map((group) => ({ name: group, isNumber: false })),
    { name: groupBy.includes('currency') ? 'Amount' : 'USD', isNumber: true },
    { name: 'Change', isNumber: true },
  ];
  const rowOf = ({ names, amount, change }: ReportedGroup): string[] => [
    ...names,
    amountText(amount),
    change === null ? 'no data' : signedCents(change),
  ];
  const rest =
    other === null
      ? []
      : [rowOf({ ...other, names: restOf(other.count, groupBy), change: changeOf(other.amount, other.before) })];
  const largest = { title: 'Largest costs', columns, rows: [...groups.map(rowOf), ...rest] };
  const changed = { title: 'Largest changes', columns, rows: movers.map(rowOf) };
  return [largest, changed].filter(({ rows }) => rows.length > 0);
}

/** The same question in the console. */
export function linkOf({ query, every, from, to }: ReportData): NonNullable<NoticeContent['link']> {
  const compare = every === 'monthly' ? 'month' : 'previous';
  const filters = Object.entries(query).flatMap(([name, values]) =>
    name === 'group_by'
      ? [`${name}=${encodeURIComponent(textsOf(values).join(',')).replaceAll('%2C', ',')}`]
      : textsOf(values).map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
  const path = `/#/explore?${['report=costs', `from=${from}`, `to=${to}`, ...filters, `compare=${compare}`].join('&')}`;
  return path.length <= MAX_LINK ? { label: 'Open in Explore', path } : { label: 'Open Explore', path: '/#/explore' };
}

/** A longer address does not survive every mail program. */
const MAX_LINK = 2_000;
const NOT_EXPLAINED = 'not explained, because days of cost or usage are not there';

/** The name of a value as people read it. */
export function nameOfValue(dimension: Dimension, value: string | null, known: string | null): string {
  if (known !== null) return known;
  if (value !== null) return value;
  if (dimension.startsWith('tag.')) return 'no tag';
  return dimension === 'workspace' ? 'Default workspace' : `no ${parameterOf(dimension).replaceAll('_', ' ')}`;
}

function textsOf(values: string | readonly string[]): readonly string[] {
  return typeof values === 'string' ? [values] : values;
}

function restOf(count: number, groupBy: readonly string[]): string[] {
  return groupBy.map((_, index) => (index === 0 ? `${count} more` : ''));
}

function amountText(amount: Decimal | null): string {
  return amount === null ? 'no data' : cents(amount);
}

function doubts({ days, before }: ReportData): string[] {
  const said = (lead: string, named: readonly Day[]): string[] =>
    named.length === 0 ? [] : [`${lead}: ${spellDays(named)}.`];
  return [
    ...said('Missing, so the total is a lower bound', days.missing),
    ...said('Read before they were over', days.unfinished),
    ...said('Not covered by any connection', days.uncovered),
    ...said('Do not add up', days.flagged),
    ...said('Missing in the period before', before.days.missing),
  ];
}

function factsOfDays(when: string, days: DoubtfulDays): { label: string; value: string }[] {
  const labels: Readonly<Record<keyof DoubtfulDays, string>> = {
    missing: 'Days missing',
    unfinished: 'Days read before their end',
    uncovered: 'Days not covered',
    provisional: 'Days provisional',
    flagged: 'Days that do not add up',
  };
  return KINDS_OF_DOUBT.flatMap((kind) =>
    days[kind].length === 0 ? [] : [{ label: `${labels[kind]}${when}`, value: spellDays(days[kind]) }],
  );
}

const KINDS_OF_DOUBT = ['missing', 'unfinished', 'uncovered', 'provisional', 'flagged'] as const;

function spellWhy({ volume, mix, price, unmatched }: NonNullable<ReportData['why']>): string {
  return [
    `volume ${signedDollars(volume)}`,
    `mix ${signedDollars(mix)}`,
    `price ${signedDollars(price)}`,
    `without tokens ${signedDollars(unmatched)}`,
  ].join(', ');
}

/** Days as ranges, in order. */
export function spellDays(days: readonly Day[]): string {
  return toRanges(days).map(spellRange).join(', ');
}

function spellRange({ from, to }: DayRange): string {
  return from === to ? from : `${from} to ${to}`;
}

function on({ from, to }: DayRange): string {
  return from === to ? `on ${from}` : `from ${from} to ${to}`;
}

function signedDollars(amount: Decimal): string {
  const text = signedCents(amount);
  return /^[+-]/.test(text) ? `${text.slice(0, 1)}$${text.slice(1)}` : `$${text}`;
}

function inPercent(percent: Decimal | null): string {
  return percent === null ? '' : ` (${percent.startsWith('-') || percent === ZERO ? '' : '+'}${percent} %)`;
}
