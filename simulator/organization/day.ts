import { formatDay } from '../days.ts';
import { fraction, mix } from '../random.ts';
import type { TokenKey } from './catalog.ts';
import { priceMillionths, useFactor } from './events.ts';
import { UNITS_PER_CENT } from './money.ts';
import { newSeriesOf, type Organization } from './organization.ts';
import type { CostSeries, Meter, UsageSeries } from './series.ts';

export interface CostRow {
  readonly series: CostSeries;
  /** The amount, see money.ts. */
  readonly units: bigint;
}

export const COUNT_NAMES = ['uncached', 'output', 'cacheRead', 'cache5m', 'cache1h', 'searches'] as const;
export type CountName = TokenKey | 'searches';
export type Counts = Readonly<Record<CountName, number>>;

export interface UsageRow {
  readonly series: Pick<
    UsageSeries,
    'workspaceId' | 'model' | 'serviceTier' | 'contextWindow' | 'inferenceGeo' | 'apiKeyIds' | 'hash'
  >;
  readonly counts: Counts;
}

export interface DayData {
  readonly cost: readonly CostRow[];
  readonly usage: readonly UsageRow[];
}

export const NO_COUNTS: Counts = { uncached: 0, output: 0, cacheRead: 0, cache5m: 0, cache1h: 0, searches: 0 };
export const EMPTY_DAY: DayData = { cost: [], usage: [] };

/** Use on each day of the week, from Sunday on, relative to a usual weekday. */
const WEEKDAY_FACTORS = [0.2, 1, 1.05, 1.1, 1.05, 1, 0.35];
const HOLIDAYS = ['-12-25', '-01-01'];
const SERIES_LIFE_DAYS = 14;
/** The share of Sundays without any use. */
const QUIET_SUNDAYS = 0.45;
/** One more than its hours: a day that is still going on never has all of its counts. */
const PARTS_OF_A_DAY = 25;

/** Everything that happened on a day. `hoursBegun` is 1 to 24 for a day that is still going on, null for a past one. */
export function generateDay(organization: Organization, day: number, hoursBegun: number | null): DayData {
  if (day < organization.scale.firstDay || isQuiet(organization, day)) return EMPTY_DAY;
  const { seed, scale } = organization;
  const factor = scale.linesPerDay === null ? weekdayFactor(day) : 1;
  const soFar = (final: number): number =>
    hoursBegun === null ? final : Math.floor((final * hoursBegun) / PARTS_OF_A_DAY);
  const context = { organization, seed, day, factor, soFar };
  const { usageSeries, meters } = activeOn(organization, day);
  const cost: CostRow[] = [];
  const usage: UsageRow[] = [];
  const searches = new Map<string | null, number>();
  for (const series of usageSeries) {
    if (day >= series.endDay || fraction(seed, series.hash, day, 1) >= series.dailyChance) continue;
    const counts = countsOf(series, context);
    searches.set(series.workspaceId, (searches.get(series.workspaceId) ?? 0) + counts.searches);
    cost.push(...tokenRows(series, counts, priceMillionths(organization, day, series)));
    if (COUNT_NAMES.some((name) => counts[name] > 0)) usage.push({ series, counts });
  }
  return { cost: [...cost, ...searchRows(organization, searches), ...meterRows(meters, context)], usage };
}

/** What the amounts of a day depend on besides their series. */
interface DayContext {
  readonly organization: Organization;
  readonly seed: number;
  readonly day: number;
  readonly factor: number;
  /** The part of a final count that a day has reached. */
  readonly soFar: (final: number) => number;
}

function countsOf(series: UsageSeries, { organization, seed, day, factor: usual, soFar }: DayContext): Counts {
  const factor = usual * useFactor(organization, day, series);
  const counts: Record<CountName, number> = { ...NO_COUNTS };
  for (const [index, rate] of series.rates.entries()) {
    const spread = 0.6 + 0.8 * fraction(seed, series.hash, day, 2, index);
    counts[rate.kind.key] = soFar(Math.floor(rate.usual * factor * spread));
  }
  const spread = 0.5 + fraction(seed, series.hash, day, 3);
  counts.searches = soFar(Math.floor(series.searchesUsual * factor * spread));
  return counts;
}

function tokenRows(series: UsageSeries, counts: Counts, millionths: bigint): CostRow[] {
  return series.rates.flatMap(({ kind, unitsPerToken, series: costSeries }) => {
    const count = counts[kind.key];
    return costSeries === null || count === 0
      ? []
      : [{ series: costSeries, units: (BigInt(count) * unitsPerToken * millionths) / 1_000_000n }];
  });
}

/** A web search costs one cent. */
function searchRows(organization: Organization, searches: ReadonlyMap<string | null, number>): CostRow[] {
  return [...searches].flatMap(([workspaceId, count]) => {
    const series = organization.searchSeries.get(workspaceId);
    return series === undefined || count === 0 ? [] : [{ series, units: BigInt(count) * UNITS_PER_CENT }];
  });
}

function meterRows(meters: readonly Meter[], { seed, day, factor, soFar }: DayContext): CostRow[] {
  return meters.flatMap((meter) => {
    const { hash } = meter.series;
    if (day >= meter.endDay || fraction(seed, hash, day, 4) >= meter.dailyChance) return [];
    const final = meter.usualSeconds * factor * (0.4 + fraction(seed, hash, day, 5));
    const seconds = soFar(Math.floor(final));
    return seconds === 0 ? [] : [{ series: meter.series, units: BigInt(seconds) * meter.unitsPerSecond }];
  });
}

/** The series that may be in use on a day: the standing ones, and those that began on this day or shortly before. */
function activeOn(organization: Organization, day: number): { usageSeries: UsageSeries[]; meters: Meter[] } {
  const usageSeries = [...organization.usageSeries];
  const meters = [...organization.meters];
  const { firstDay, seriesLifeDays } = organization.scale;
  // Short-lived series that began before the history are in use on its first day, so that it has as many lines as others.
  const firstBirthDay = seriesLifeDays === null ? Math.max(firstDay, day - SERIES_LIFE_DAYS) : day - seriesLifeDays + 1;
  for (let birthDay = firstBirthDay; birthDay <= day; birthDay += 1) {
    const born = newSeriesOf(organization, birthDay);
    const certain = birthDay === day ? { dailyChance: 1 } : {};
    usageSeries.push(...born.usageSeries.map((series) => ({ ...series, ...certain })));
    meters.push(...born.meters.map((meter) => ({ ...meter, ...certain })));
  }
  return { usageSeries, meters };
}

export function mapCounts(counts: Counts, map: (count: number, name: CountName) => number): Counts {
  return {
    uncached: map(counts.uncached, 'uncached'),
    output: map(counts.output, 'output'),
    cacheRead: map(counts.cacheRead, 'cacheRead'),
    cache5m: map(counts.cache5m, 'cache5m'),
    cache1h: map(counts.cache1h, 'cache1h'),
    searches: map(counts.searches, 'searches'),
  };
}

function isQuiet(organization: Organization, day: number): boolean {
  if (!organization.daysOff || organization.scale.linesPerDay !== null) return false;
  const isQuietSunday = weekdayOf(day) === 0 && mix(organization.seed, 50, day) % 100 < QUIET_SUNDAYS * 100;
  return isQuietSunday || HOLIDAYS.includes(formatDay(day).slice(4));
}

function weekdayFactor(day: number): number {
  return WEEKDAY_FACTORS[weekdayOf(day)] ?? 1;
}

/** 0 for Sunday: 1970-01-01 was a Thursday. */
function weekdayOf(day: number): number {
  return (day + 4) % 7;
}
