import { createHash } from 'node:crypto';
import {
  USAGE_COUNTS,
  canonicalDimensions,
  type CostLine,
  type Dimensions,
  type Json,
  type UsageCount,
  type UsageLine,
} from '../domain/lines.ts';
import { addDecimals, canonicalDecimal } from '../domain/money.ts';

/** A line under the id of its series. */
export type Identified<Line> = Line & { readonly seriesId: string };

/** The id of a series: the first 128 bits of the SHA-256 of its dimensions in their one form, as a UUID. */
export function seriesIdOf(dimensions: Dimensions): string {
  const hex = createHash('sha256').update(canonicalDimensions(dimensions)).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** A day's cost lines, one per series: lines of equal dimensions are added, so that no money is lost. */
export function identifyCost(lines: readonly CostLine[]): Identified<CostLine>[] {
  return identify(lines, (a, b) => ({ ...a, amount: addDecimals([a.amount, b.amount]) })).map((line) => ({
    ...line,
    amount: canonicalDecimal(line.amount),
  }));
}

/** A day's usage lines, one per series: lines of equal dimensions are added. */
export function identifyUsage(lines: readonly UsageLine[]): Identified<UsageLine>[] {
  return identify(lines, (a, b) => ({
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

function identify<Line extends { readonly dimensions: Dimensions }>(
  lines: readonly Line[],
  add: (a: Identified<Line>, b: Line) => Identified<Line>,
): Identified<Line>[] {
  const bySeries = new Map<string, Identified<Line>>();
  for (const line of lines) {
    const seriesId = seriesIdOf(line.dimensions);
    const known = bySeries.get(seriesId);
    bySeries.set(seriesId, known === undefined ? { ...line, seriesId } : add(known, line));
  }
  return [...bySeries.values()];
}

/** A digest of a day's lines that depends neither on the order of lines nor on how amounts are spelled. */
export function digestOf(lines: readonly Identified<CostLine | UsageLine>[]): Buffer {
  const hash = createHash('sha256');
  for (const entry of lines.map(entryOf).sort()) hash.update(entry).update('\n');
  return hash.digest();
}

function entryOf(line: Identified<CostLine | UsageLine>): string {
  if ('amount' in line) return `${line.seriesId} ${line.amount}`;
  const extra = canonicalDimensions(line.extraCounts);
  return `${line.seriesId} ${USAGE_COUNTS.map((name) => line.counts[name]).join(' ')} ${extra}`;
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
