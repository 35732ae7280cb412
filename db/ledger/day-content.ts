import { hash } from 'node:crypto';
import {
  NO_COUNTS,
  USAGE_COUNTS,
  addCounts,
  totalDollars,
  totalTokens,
  type CostLine,
  type Count,
  type Line,
  type UsageCount,
  type UsageLine,
} from '../../domain/lines.ts';
import { ZERO, addDecimals, type Decimal } from '../../domain/money.ts';
import { sortedByKey } from '../../domain/order.ts';
import { KnownSeries, type Series } from './series.ts';

/** A line and its series. */
export interface Identified<Kind extends Line> {
  readonly series: Series;
  readonly line: Kind;
}

/** The lines of a day as they are stored and compared. */
export interface DayContent {
  /** One line per series, in the order of their ids. */
  readonly lines: readonly Identified<Line>[];
  readonly digest: Buffer;
  /** What the lines add up to. A function, since most days are unchanged and nobody asks. */
  readonly total: () => Decimal;
}

/** The content of a day of cost. */
export function costContent(read: readonly CostLine[], known?: KnownSeries): DayContent {
  const lines = identifyCost(read, known);
  return { lines, digest: digestOf(lines), total: () => totalDollars(lines.map(({ line }) => line)) };
}

/** The content of a day of usage. Throws {@link SumTooLargeError}. */
export function usageContent(read: readonly UsageLine[], known?: KnownSeries): DayContent {
  const lines = identifyUsage(read, known);
  return { lines, digest: digestOf(lines), total: () => totalTokens(lines.map(({ line }) => line)) };
}

/** A day's cost lines, one per series, in the order of their ids. Lines with equal dimensions are added up. */
export function identifyCost(lines: readonly CostLine[], known = new KnownSeries()): Identified<CostLine>[] {
  return identify(lines, known, (first, all) => ({
    ...first,
    amount: addDecimals(all.map(({ amount }) => amount)),
  }));
}

/**
 * A day's usage lines, one per series, in the order of their ids. Lines with equal dimensions are added up. Throws
 * {@link SumTooLargeError}.
 */
export function identifyUsage(lines: readonly UsageLine[], known = new KnownSeries()): Identified<UsageLine>[] {
  return identify(lines, known, (first, all) => ({
    ...first,
    counts: addUpCounts(all),
    extraCounts: addUpExtraCounts(all),
  }));
}

/** Counts add up to more than a bigint column holds. The message may be shown. */
export class SumTooLargeError extends Error {
  override readonly name = 'SumTooLargeError';
}

const MAX_BIGINT = 2n ** 63n - 1n;

function addUpCounts(lines: readonly UsageLine[]): Record<UsageCount, Count> {
  const sum = { ...NO_COUNTS };
  for (const name of USAGE_COUNTS) {
    sum[name] = addCounts(lines.map(({ counts }) => counts[name]));
    if (sum[name] > MAX_BIGINT) throw new SumTooLargeError(`${name} adds up to more than can be stored`);
  }
  return sum;
}

function addUpExtraCounts(lines: readonly UsageLine[]): Record<string, Decimal> {
  const byPath = new Map<string, Decimal[]>();
  for (const { extraCounts } of lines) {
    for (const [path, count] of Object.entries(extraCounts)) {
      const counts = byPath.get(path);
      if (counts === undefined) byPath.set(path, [count]);
      else counts.push(count);
    }
  }
  const sums = [...byPath].map(([path, counts]) => [path, addDecimals(counts)] as const);
  return Object.fromEntries(sums.filter(([, sum]) => sum !== ZERO));
}

/** Sorts lines by series, so that lines of one series are neighbours, and adds these up. */
function identify<Kind extends Line>(
  lines: readonly Kind[],
  known: KnownSeries,
  add: (first: Kind, all: readonly Kind[]) => Kind,
): Identified<Kind>[] {
  const identified: Identified<Kind>[] = [];
  let equal: Identified<Kind>[] = [];
  const addUpEqual = (): void => {
    const [first] = equal;
    if (first === undefined) return;
    const { series, line } = first;
    const all = equal.length === 1 ? null : equal.map((one) => one.line);
    identified.push(all === null ? first : { series, line: add(line, all) });
  };
  for (const next of sortedById(lines.map((line) => ({ series: known.of(line.dimensions), line })))) {
    if (equal[0]?.series.id === next.series.id) {
      equal.push(next);
      continue;
    }
    addUpEqual();
    equal = [next];
  }
  addUpEqual();
  return identified;
}

function sortedById<Kind extends Line>(lines: readonly Identified<Kind>[]): readonly Identified<Kind>[] {
  const sorted = sortedByKey(lines, ({ series }) => series.rank);
  let last = '';
  for (const { series } of sorted) {
    // Two ids with the same first 32 bits are rare; sorting whole ids takes many times longer.
    if (series.id < last) return [...lines].sort((a, b) => (a.series.id < b.series.id ? -1 : 1));
    last = series.id;
  }
  return sorted;
}

/** A digest of identified lines. Equal days have equal digests, since lines and amounts have one order and one spelling. */
export function digestOf(lines: readonly Identified<Line>[]): Buffer {
  let length = 0;
  for (const { series, line } of lines) {
    length = write(`${series.id} ${textOf(line)}\n`, length);
  }
  return Buffer.from(hash('sha256', digested.subarray(0, length)), 'hex');
}

/** The digest is computed over one buffer that all days share: joining tens of thousands of texts would take longer. */
let digested: Buffer = Buffer.alloc(64 * 1024);

function write(text: string, at: number): number {
  // In UTF-8, a UTF-16 unit takes three bytes at most.
  const end = at + text.length * 3;
  if (end > digested.length) {
    const larger = Buffer.alloc(Math.max(digested.length * 2, end));
    digested.copy(larger);
    digested = larger;
  }
  return at + digested.write(text, at);
}

function textOf(line: Line): string {
  if ('amount' in line) return line.amount;
  return `${USAGE_COUNTS.map((name) => line.counts[name]).join(' ')} ${extraCountsJson(line) ?? '{}'}`;
}

/** The counts that have no column, as JSON numbers with every digit; null where there are none. */
export function extraCountsJson({ extraCounts }: UsageLine): string | null {
  const paths = Object.keys(extraCounts).sort();
  if (paths.length === 0) return null;
  return `{${paths.map((path) => `${JSON.stringify(path)}:${extraCounts[path] ?? '0'}`).join(',')}}`;
}
