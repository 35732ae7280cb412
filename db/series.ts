import { hash } from 'node:crypto';
import {
  USAGE_COUNTS,
  canonicalDimensions,
  dollarsOf,
  tokensIn,
  type CostLine,
  type Dimensions,
  type Json,
  type Line,
  type UsageCount,
  type UsageLine,
} from '../domain/lines.ts';
import { addDecimals, canonicalDecimal } from '../domain/money.ts';
import { inOrderOf } from '../domain/order.ts';

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
  const spelled = lines.map((line) => {
    const amount = canonicalDecimal(line.amount);
    return amount === line.amount ? line : { ...line, amount };
  });
  return identify(spelled, known, (a, b) => ({ ...a, amount: addDecimals([a.amount, b.amount]) }));
}

/** A day's usage lines in the order of their ids, one per series: lines of equal dimensions are added. */
export function identifyUsage(lines: readonly UsageLine[], known = new KnownSeries()): Identified<UsageLine>[] {
  return identify(lines, known, (a, b) => ({
    ...a,
    counts: addCounts<UsageCount>(a.counts, b.counts, USAGE_COUNTS),
    extraCounts: addCounts(a.extraCounts, b.extraCounts, [
      ...new Set([...Object.keys(a.extraCounts), ...Object.keys(b.extraCounts)]),
    ]),
  }));
}

function addCounts<Name extends string>(
  a: Readonly<Partial<Record<Name, number>>>,
  b: Readonly<Partial<Record<Name, number>>>,
  names: readonly Name[],
): Record<Name, number> {
  const sum = {} as Record<Name, number>;
  for (const name of names) sum[name] = (a[name] ?? 0) + (b[name] ?? 0);
  return sum;
}

function identify<Kind extends Line>(
  lines: readonly Kind[],
  known: KnownSeries,
  add: (a: Kind, b: Kind) => Kind,
): Identified<Kind>[] {
  const identified: Identified<Kind>[] = [];
  let last: Identified<Kind> | undefined;
  for (const next of inOrderOfId(lines.map((line) => ({ series: known.of(line.dimensions), line })))) {
    if (last?.series.id === next.series.id) {
      last = { series: last.series, line: add(last.line, next.line) };
      identified.pop();
    } else {
      last = next;
    }
    identified.push(last);
  }
  return identified;
}

/** A digest of a day's lines that depends neither on the order of lines nor on how amounts are spelled. */
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
  const extra = canonicalDimensions(line.extraCounts);
  return `${USAGE_COUNTS.map((name) => line.counts[name]).join(' ')} ${extra}`;
}

/** Lines by the id of their series. */
function inOrderOfId<Kind extends Line>(lines: readonly Identified<Kind>[]): readonly Identified<Kind>[] {
  const ordered = inOrderOf(lines, ({ series }) => series.rank);
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
  readonly total: () => string;
}

/** The content of a day of cost. */
export function costContent(read: readonly CostLine[], known?: KnownSeries): DayContent {
  const lines = identifyCost(read, known);
  return { lines, digest: digestOf(lines), total: () => dollarsOf(lines.map(({ line }) => line)) };
}

/** The content of a day of usage. */
export function usageContent(read: readonly UsageLine[], known?: KnownSeries): DayContent {
  const lines = identifyUsage(read, known);
  return { lines, digest: digestOf(lines), total: () => tokensIn(lines.map(({ line }) => line)) };
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
