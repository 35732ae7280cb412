import type { TokenKey } from './catalog.ts';
import { formatDay } from '../days.ts';
import { UNITS_PER_CENT } from './money.ts';
import { newcomers, type Organization } from './organization.ts';
import { fraction, mix } from '../random.ts';
import type { Cell, CostSeries, Meter } from './series.ts';

export interface CostRow {
  readonly series: CostSeries;
  readonly units: bigint;
}

export type Counts = Readonly<Record<TokenKey | 'searches', number>>;

export interface UsageRow {
  readonly cell: Pick<Cell, 'workspaceId' | 'model' | 'serviceTier' | 'contextWindow' | 'inferenceGeo' | 'hash'>;
  readonly counts: Counts;
}

export interface DayData {
  readonly cost: readonly CostRow[];
  readonly usage: readonly UsageRow[];
}

export const NO_COUNTS: Counts = { uncached: 0, output: 0, cacheRead: 0, cache5m: 0, cache1h: 0, searches: 0 };
export const EMPTY_DAY: DayData = { cost: [], usage: [] };

const WEEKDAY_RHYTHM = [0.2, 1, 1.05, 1.1, 1.05, 1, 0.35];
const HOLIDAYS = ['-12-25', '-01-01'];
const SERIES_LIFE_DAYS = 14;
const QUIET_SUNDAYS = 0.45;
/** A day is never quite complete before its end: at 23:00 it has 24 of 25 parts. */
const PARTS_OF_A_DAY = 25;

/** Everything that happened on a day; `hoursBegun` (1 to 24) is given for a day that is still going on. */
export function generateDay(organization: Organization, day: number, hoursBegun: number | null): DayData {
  if (day < organization.scale.firstDay || isQuiet(organization, day)) return EMPTY_DAY;
  const soFar = (final: number): number =>
    hoursBegun === null ? final : Math.floor((final * hoursBegun) / PARTS_OF_A_DAY);
  const { seed } = organization;
  const rhythm = organization.scale.linesPerDay === null ? rhythmOf(day) : 1;
  const cost: CostRow[] = [];
  const usage: UsageRow[] = [];
  const searches = new Map<string | null, number>();
  const { cells, meters } = activeOn(organization, day);
  for (const cell of cells) {
    if (day >= cell.endDay || fraction(seed, cell.hash, day, 1) >= cell.presence) continue;
    const counts: Record<TokenKey | 'searches', number> = { ...NO_COUNTS };
    for (const [index, rate] of cell.rates.entries()) {
      const count = soFar(Math.floor(rate.usual * rhythm * (0.6 + 0.8 * fraction(seed, cell.hash, day, 2, index))));
      counts[rate.kind.key] = count;
      if (rate.series !== null && count > 0) {
        cost.push({ series: rate.series, units: BigInt(count) * rate.unitsPerToken });
      }
    }
    counts.searches = soFar(Math.floor(cell.searchesUsual * rhythm * (0.5 + fraction(seed, cell.hash, day, 3))));
    searches.set(cell.workspaceId, (searches.get(cell.workspaceId) ?? 0) + counts.searches);
    if (Object.values(counts).some((count) => count > 0)) usage.push({ cell, counts });
  }
  return {
    cost: [...cost, ...searchRows(organization, searches), ...meterRows(meters, seed, day, rhythm, soFar)],
    usage,
  };
}

/** A web search costs one cent. */
function searchRows(organization: Organization, searches: ReadonlyMap<string | null, number>): CostRow[] {
  return [...searches].flatMap(([workspaceId, count]) => {
    const series = organization.searchSeries.get(workspaceId);
    return series === undefined || count === 0 ? [] : [{ series, units: BigInt(count) * UNITS_PER_CENT }];
  });
}

function meterRows(
  meters: readonly Meter[],
  seed: number,
  day: number,
  rhythm: number,
  soFar: (final: number) => number,
): CostRow[] {
  return meters.flatMap((meter) => {
    const { hash } = meter.series;
    if (day >= meter.endDay || fraction(seed, hash, day, 4) >= meter.presence) return [];
    const final = meter.usualSeconds * rhythm * (0.4 + fraction(seed, hash, day, 5));
    const seconds = soFar(Math.floor(final));
    return seconds === 0 ? [] : [{ series: meter.series, units: BigInt(seconds) * meter.unitsPerSecond }];
  });
}

/** What stands, what is new on this day, and what was new in the last days and may still be in use. */
function activeOn(organization: Organization, day: number): { cells: Cell[]; meters: Meter[] } {
  const cells = [...organization.cells];
  const meters = [...organization.meters];
  for (let birthDay = Math.max(organization.scale.firstDay, day - SERIES_LIFE_DAYS); birthDay <= day; birthDay += 1) {
    const born = newcomers(organization, birthDay);
    const certain = birthDay === day ? { presence: 1 } : {};
    cells.push(...born.cells.map((cell) => ({ ...cell, ...certain })));
    meters.push(...born.meters.map((meter) => ({ ...meter, ...certain })));
  }
  return { cells, meters };
}

function isQuiet(organization: Organization, day: number): boolean {
  if (organization.scale.linesPerDay !== null) return false;
  const sunday = weekday(day) === 0 && mix(organization.seed, 50, day) % 100 < QUIET_SUNDAYS * 100;
  return sunday || HOLIDAYS.includes(formatDay(day).slice(4));
}

function rhythmOf(day: number): number {
  return WEEKDAY_RHYTHM[weekday(day)] ?? 1;
}

/** 0 for Sunday: 1970-01-01 was a Thursday. */
function weekday(day: number): number {
  return (day + 4) % 7;
}
