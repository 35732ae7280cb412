import { addDays, type Day } from '../domain/days.ts';
import { forecast } from '../domain/forecast/forecast.ts';
import { daysOfMonth, firstDayOf, monthOf, nextMonth, type Month } from '../domain/months.ts';
import { BASELINES, baselinesOf, type Baseline } from './baselines.ts';
import type { NamedSeries } from './series.ts';

/** The days of the month after which the rest of it is forecast. */
export const AFTER_DAYS = [5, 10, 20] as const;
export type AfterDay = (typeof AFTER_DAYS)[number];

/** A month counts if so many days before its forecast are known, and all of its own. */
const LEAST_HISTORY = 60;
/** The newest months are measured, at most so many: more would take longer and say the same. */
const MOST_MONTHS = 18;

/** What was said of a month, and what came; errors are fractions of the month's total. */
interface Outcome {
  readonly error: number;
  readonly held: boolean;
  readonly width: number;
  readonly baselines: Readonly<Record<Baseline, number>>;
  readonly dailyError: number;
  readonly dailyTotal: number;
  readonly daysHeld: number;
  readonly days: number;
}

/** How well the rest of a month was forecast after some of its days. Fractions, except for counts. */
export interface Figures {
  readonly after: AfterDay;
  readonly months: number;
  /** Absolute error of the month's total: its median and its mean. */
  readonly median: number;
  readonly mean: number;
  /** The medians of the baselines' errors. */
  readonly baselines: Readonly<Record<Baseline, number>>;
  /** The absolute errors of the days, by what the days came to. */
  readonly wape: number;
  /** The mean error of the total; above 0, too much was forecast. */
  readonly bias: number;
  readonly held: number;
  readonly daysHeld: number;
  readonly days: number;
  /** The median width of the band, by the month's total. */
  readonly width: number;
}

/** The months of a series whose totals are measured, oldest first. */
export function monthsOf({ days }: NamedSeries): Month[] {
  const known = new Set(days.map(({ day }) => day));
  const [first] = days;
  const last = days.at(-1);
  if (first === undefined || last === undefined) return [];
  const months: Month[] = [];
  for (let month = nextMonth(monthOf(first.day)); daysOfMonth(month).to <= last.day; month = nextMonth(month)) {
    const { from, to } = daysOfMonth(month);
    let complete = true;
    for (let day = from; day <= to; day = addDays(day, 1)) complete &&= known.has(day);
    const before = days.filter(({ day }) => day < from).length;
    if (complete && before >= LEAST_HISTORY) months.push(month);
  }
  return months.slice(-MOST_MONTHS);
}

/** How well the totals of these months were forecast after some of their days. Throws if there is no month. */
export function measure(series: NamedSeries, months: readonly Month[], after: AfterDay): Figures {
  const outcomes = months.flatMap((month) => outcomeOf(series, month, after) ?? []);
  if (outcomes.length === 0) throw new RangeError(`${series.name} has no month to measure`);
  const sum = (value: (outcome: Outcome) => number): number => outcomes.reduce((total, one) => total + value(one), 0);
  const medianOfBaseline = (name: Baseline): number =>
    median(outcomes.map(({ baselines }) => Math.abs(baselines[name])));
  return {
    after,
    months: outcomes.length,
    median: median(outcomes.map(({ error }) => Math.abs(error))),
    mean: sum(({ error }) => Math.abs(error)) / outcomes.length,
    baselines: {
      linear: medianOfBaseline('linear'),
      'seasonal naive': medianOfBaseline('seasonal naive'),
      'weekday mean': medianOfBaseline('weekday mean'),
      'level × weekday': medianOfBaseline('level × weekday'),
    },
    wape: sum(({ dailyError }) => dailyError) / sum(({ dailyTotal }) => dailyTotal),
    bias: sum(({ error }) => error) / outcomes.length,
    held: outcomes.filter(({ held }) => held).length,
    daysHeld: sum(({ daysHeld }) => daysHeld),
    days: sum(({ days }) => days),
    width: median(outcomes.map(({ width }) => width)),
  };
}

function outcomeOf({ days }: NamedSeries, month: Month, after: AfterDay): Outcome | null {
  const values = new Map(days.map(({ day, usd }) => [day, usd] as const));
  const { to } = daysOfMonth(month);
  const from = addDays(firstDayOf(month), after);
  const said = forecast(
    days.filter(({ day }) => day < from),
    from,
    to,
  );
  if (said.method === null) return null;
  const valueOf = (day: Day): number => values.get(day) ?? 0;
  let total = 0;
  for (let day = firstDayOf(month); day <= to; day = addDays(day, 1)) total += valueOf(day);
  const rest = said.days.reduce((sum, { day }) => sum + valueOf(day), 0);
  const size = Math.abs(total) || 1;
  const baselines = baselinesOf(values, { from: firstDayOf(month), to: addDays(from, -1) }, { from, to });
  const errorOf = (name: Baseline): number => (baselines[name] - rest) / size;
  return {
    error: (said.sum.mean - rest) / size,
    held: said.sum.low <= rest && rest <= said.sum.high,
    width: (said.sum.high - said.sum.low) / size,
    baselines: {
      linear: errorOf('linear'),
      'seasonal naive': errorOf('seasonal naive'),
      'weekday mean': errorOf('weekday mean'),
      'level × weekday': errorOf('level × weekday'),
    },
    dailyError: said.days.reduce((sum, { day, mean }) => sum + Math.abs(mean - valueOf(day)), 0),
    dailyTotal: said.days.reduce((sum, { day }) => sum + Math.abs(valueOf(day)), 0),
    daysHeld: said.days.filter(({ day, low, high }) => low <= valueOf(day) && valueOf(day) <= high).length,
    days: said.days.length,
  };
}

/** The least of the baselines' median errors. */
export function bestBaseline({ baselines }: Figures): number {
  return Math.min(...BASELINES.map((name) => baselines[name]));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
