import { hash } from 'node:crypto';
import {
  NO_COUNTS,
  USAGE_COUNTS,
  addCounts,
  canonicalDimensions,
  totalDollars,
  totalTokens,
  type CostLine,
  type Count,
  type Dimensions,
  type Json,
  type Line,
  type UsageCount,
  type UsageLine,
} from '../../domain/lines.ts';
import { ZERO, addDecimals, type Decimal } from '../../domain/money.ts';
import { sortedByKey } from '../../domain/order.ts';

/** What lines of every day are about. */
export interface Series {
  readonly id: string;
  readonly dimensions: Dimensions;
  /** The first 32 bits of the id, by which series are put in order. */
  readonly rank: number;
  /** Whether it is in US dollars, which is what cost is added up in. */
  readonly isDollars: boolean;
  /** Its number in the database; null before that is known. Numbers are for ever. */
  no: number | null;
}

/** A line and its series. */
export interface Identified<Kind extends Line> {
  readonly series: Series;
  readonly line: Kind;
}

/** The id of a series: the first 128 bits of the SHA-256 of its dimensions in their one form, as a UUID. */
export function seriesIdOf(dimensions: Dimensions): string {
  const hex = hash('sha256', canonicalDimensions(dimensions));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/**
 * The series of dimensions, by the object that holds these: lines that share it, as those of one day and the next do
 * where they come from the same reader, have their id computed and their number asked for once. It is for one connection
 * and report, and holds nothing that is not held elsewhere.
 */
export class KnownSeries {
  readonly #known = new WeakMap<Dimensions, Series>();

  of(dimensions: Dimensions): Series {
    const known = this.#known.get(dimensions);
    if (known !== undefined) return known;
    const id = seriesIdOf(dimensions);
    const rank = Number.parseInt(id.slice(0, 8), 16);
    const series = { id, dimensions, rank, isDollars: dimensions['currency'] === 'USD', no: null };
    this.#known.set(dimensions, series);
    return series;
  }
}

/** A day's cost lines in the order of their ids, one per series: lines of equal dimensions are added, so that no money is lost. */
export function identifyCost(lines: readonly CostLine[], known = new KnownSeries()): Identified<CostLine>[] {
  return identify(lines, known, (first, all) => ({
    ...first,
    amount: addDecimals(all.map(({ amount }) => amount)),
  }));
}

/**
 * A day's usage lines in the order of their ids, one per series: lines of equal dimensions are added, exactly.
 * Throws {@link SumTooLargeError}.
 */
export function identifyUsage(lines: readonly UsageLine[], known = new KnownSeries()): Identified<UsageLine>[] {
  return identify(lines, known, (first, all) => ({
    ...first,
    counts: sumOf(all),
    extraCounts: sumOfExtra(all),
  }));
}

/** Counts add up to more than Postgres keeps. The message is a sentence of ours. */
export class SumTooLargeError extends Error {
  override readonly name = 'SumTooLargeError';
}

/** Of a column of bigint. */
const MOST = 2n ** 63n - 1n;

function sumOf(lines: readonly UsageLine[]): Record<UsageCount, Count> {
  const sum = { ...NO_COUNTS };
  for (const name of USAGE_COUNTS) {
    sum[name] = addCounts(lines.map(({ counts }) => counts[name]));
    if (sum[name] > MOST) throw new SumTooLargeError(`${name} adds up to more than can be kept`);
  }
  return sum;
}

function sumOfExtra(lines: readonly UsageLine[]): Record<string, Decimal> {
  const parts = new Map<string, Decimal[]>();
  for (const { extraCounts } of lines) {
    for (const [path, count] of Object.entries(extraCounts)) {
      const known = parts.get(path);
      if (known === undefined) parts.set(path, [count]);
      else known.push(count);
    }
  }
  const sums = [...parts].map(([path, counts]) => [path, addDecimals(counts)] as const);
  return Object.fromEntries(sums.filter(([, sum]) => sum !== ZERO));
}

function identify<Kind extends Line>(
  lines: readonly Kind[],
  known: KnownSeries,
  add: (first: Kind, all: readonly Kind[]) => Kind,
): Identified<Kind>[] {
  const identified: Identified<Kind>[] = [];
  let equal: Identified<Kind>[] = [];
  const close = (): void => {
    const [first] = equal;
    if (first === undefined) return;
    const { series, line } = first;
    const all = equal.length === 1 ? null : equal.map((one) => one.line);
    identified.push(all === null ? first : { series, line: add(line, all) });
  };
  for (const next of sortedByKeyId(lines.map((line) => ({ series: known.of(line.dimensions), line })))) {
    if (equal[0]?.series.id === next.series.id) {
      equal.push(next);
      continue;
    }
    close();
    equal = [next];
  }
  close();
  return identified;
}

/** A digest of a day's lines that does not depend on their order. */
export function digestOf(lines: readonly Identified<Line>[]): Buffer {
  let length = 0;
  for (const { series, line } of lines) {
    length = write(`${series.id} ${contentOf(line)}\n`, length);
  }
  return Buffer.from(hash('sha256', entries.subarray(0, length)), 'hex');
}

/** What is digested is written down here. As one text, it would be put together from ten thousands of parts. */
let entries: Buffer = Buffer.alloc(64 * 1024);

function write(text: string, at: number): number {
  // A character takes three bytes at most.
  if (at + text.length * 3 > entries.length) {
    const larger = Buffer.alloc(Math.max(entries.length * 2, at + text.length * 3));
    entries.copy(larger);
    entries = larger;
  }
  return at + entries.write(text, at);
}

function contentOf(line: Line): string {
  if ('amount' in line) return line.amount;
  return `${USAGE_COUNTS.map((name) => line.counts[name]).join(' ')} ${extraCountsOf(line) ?? '{}'}`;
}

/** The unknown counts as JSON, of which Postgres keeps every digit; null where there are none. */
export function extraCountsOf({ extraCounts }: UsageLine): string | null {
  const paths = Object.keys(extraCounts).sort();
  if (paths.length === 0) return null;
  return `{${paths.map((path) => `${JSON.stringify(path)}:${extraCounts[path] ?? '0'}`).join(',')}}`;
}

/** Lines by the id of their series. */
function sortedByKeyId<Kind extends Line>(lines: readonly Identified<Kind>[]): readonly Identified<Kind>[] {
  const ordered = sortedByKey(lines, ({ series }) => series.rank);
  let last = '';
  for (const { series } of ordered) {
    // Two ids that begin with the same 32 bits are rare, and then their order is not told by these.
    if (series.id < last) return sortedById(lines);
    last = series.id;
  }
  return ordered;
}

function sortedById<Kind extends Line>(lines: readonly Identified<Kind>[]): readonly Identified<Kind>[] {
  return [...lines].sort((a, b) => (a.series.id < b.series.id ? -1 : 1));
}

/** A day's lines as they are stored and compared. */
export interface DayContent {
  /** One per series, in the order of their ids. */
  readonly lines: readonly Identified<Line>[];
  readonly digest: Buffer;
  /** What the lines add up to. */
  readonly total: () => Decimal;
}

/** The content of a day of cost. */
export function costContent(read: readonly CostLine[], known?: KnownSeries): DayContent {
  const lines = identifyCost(read, known);
  return { lines, digest: digestOf(lines), total: () => totalDollars(lines.map(({ line }) => line)) };
}

/** The content of a day of usage. */
export function usageContent(read: readonly UsageLine[], known?: KnownSeries): DayContent {
  const lines = identifyUsage(read, known);
  return { lines, digest: digestOf(lines), total: () => totalTokens(lines.map(({ line }) => line)) };
}

/** A dimension as the text column that holds it; null when absent. A value of another kind is kept as its JSON. */
export function columnOf(dimensions: Dimensions, name: string): string | null {
  const value = dimensions[name] ?? null;
  return value === null || typeof value === 'string' ? value : JSON.stringify(value);
}

/** The dimensions without a column of their own, as JSON text; null when there are none. */
export function extraOf(dimensions: Dimensions, known: readonly string[]): string | null {
  const extra = Object.entries(dimensions).filter(([name, value]) => value !== null && !known.includes(name));
  return extra.length === 0 ? null : JSON.stringify(Object.fromEntries<Json>(extra));
}
