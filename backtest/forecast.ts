import { BASELINES } from './baselines.ts';
import { AFTER_DAYS, bestBaseline, measure, monthsOf, type Figures } from './measure.ts';
import { PUBLIC_SERIES, readSeries, simulatedSeries, type NamedSeries } from './series.ts';

/** The figures of a series, one for each day of the month. */
export interface Measured {
  readonly name: string;
  readonly figures: readonly Figures[];
}

/** What the project set out to reach. */
const GOAL_RATIO = 1.1;
const GOAL_COVERAGE = { low: 0.75, high: 0.85, each: 0.65 };
const GOAL_DAY = 10;

const HEAD = [
  '## Forecast',
  [
    'Each row repeats the forecast at a past day of each of the newest months, at most 12, and compares it with what came.',
    'The forecast knew only the days before. It had at least 60 of them, or the month does not count.',
  ].join('\n'),
  [
    '- **median**, **mean**: the absolute error of the total of the month, as a percentage of that total. The days that had',
    '  passed are part of the total and without error.',
    '- **linear**: the mean of the month so far, for each day that is left. **seasonal naive**: the last week again.',
    '  **weekday mean**: the mean of each day of the week over eight weeks. **level × weekday**: the level of the last 14 days,',
    '  by the shape of the week over eight weeks. The figures are medians, as in the column *median*.',
    '- **ratio**: *median* by that of the best baseline. Nobody knows beforehand which one will be the best.',
    '- **WAPE**: the absolute errors of the single days, by what the days came to.',
    '- **bias**: the mean error of the total. Above 0, the forecast was too high.',
    '- **band**: how many of the totals the 80 % band held. **days**: the same for single days. **width**: the median width of',
    "  the band, as a percentage of the month's total.",
  ].join('\n'),
];

/** All series of the measurement. The directory has the public ones. */
export function allSeries(directory: string): NamedSeries[] {
  return [...PUBLIC_SERIES.map((name) => readSeries(directory, name)), ...simulatedSeries()];
}

/** Measures one series; tells nothing of the others. */
export function measureSeries(series: NamedSeries): Measured {
  const months = monthsOf(series);
  return { name: series.name, figures: AFTER_DAYS.map((after) => measure(series, months, after)) };
}

/** The part of docs/accuracy.md about the forecast, as Markdown blocks. */
export function forecastSection(directory: string): string[] {
  const measured = allSeries(directory).map(measureSeries);
  return [
    ...HEAD,
    ...AFTER_DAYS.flatMap((after) => [
      `### After day ${after}`,
      table(
        COLUMNS,
        measured.flatMap(({ name, figures }) =>
          figures.filter((one) => one.after === after).map((one) => rowOf(name, one)),
        ),
      ),
    ]),
    '### Goals of the forecast',
    table(['goal', 'reached'], goalsOf(measured)),
    table(['', ...AFTER_DAYS.map((after) => `rank after day ${after}`)], ranksOf(measured)),
    [
      'The rank is the mean place among the five by *median*, over all series; 1 is the best. The best baseline of a series is',
      'chosen here after the months are over, from 9 to 12 errors, so part of its lead is luck. The way weights are chosen was',
      'settled on the other series before it was tried on bike-sharing, female-births, household-power and wind-power. How single',
      'methods do on them had been seen before, so they are no clean check.',
    ].join('\n'),
  ];
}

const COLUMNS = ['series', 'months', 'median', 'mean', ...BASELINES, 'ratio', 'WAPE', 'bias', 'band', 'days', 'width'];

/** The row of a series in the table of a day of the month. */
export function rowOf(name: string, one: Figures): string[] {
  return [
    name,
    String(one.months),
    percent(one.median),
    percent(one.mean),
    ...BASELINES.map((baseline) => percent(one.baselines[baseline])),
    ratioOf(one).toFixed(2),
    percent(one.wape),
    percent(one.bias),
    `${one.held} of ${one.months}`,
    percent(one.daysHeld / one.days),
    percent(one.width),
  ];
}

function goalsOf(measured: readonly Measured[]): string[][] {
  const atGoal = measured.flatMap(({ name, figures }) =>
    figures.filter(({ after }) => after === GOAL_DAY).map((one) => ({ name, ratio: ratioOf(one) })),
  );
  const missed = atGoal
    .filter(({ ratio }) => ratio > GOAL_RATIO)
    .map(({ name, ratio }) => `${name} (${ratio.toFixed(2)})`);
  const coverages = measured.map(({ name, figures }) => ({ name, share: coverageOf(figures) }));
  const pooled = coverageOf(measured.flatMap(({ figures }) => figures));
  const low = coverages.filter(({ share }) => share < GOAL_COVERAGE.each);
  return [
    [
      `the median error after day ${GOAL_DAY} is at most ${GOAL_RATIO} times that of the best baseline on every series`,
      missed.length === 0
        ? 'yes'
        : `no, on ${missed.length} of ${atGoal.length} series it is not: ${missed.join(', ')}`,
    ],
    [
      `the bands hold ${percent(GOAL_COVERAGE.low)} to ${percent(GOAL_COVERAGE.high)} of all totals`,
      `${pooled >= GOAL_COVERAGE.low && pooled <= GOAL_COVERAGE.high ? 'yes' : 'no'}: ${percent(pooled)}`,
    ],
    [
      `they hold at least ${percent(GOAL_COVERAGE.each)} of the totals of each series`,
      low.length === 0
        ? `yes: at least ${percent(Math.min(...coverages.map(({ share }) => share)))}`
        : `no: ${low.map(({ name, share }) => `${name} ${percent(share)}`).join(', ')}`,
    ],
  ];
}

function ranksOf(measured: readonly Measured[]): string[][] {
  const rankOf = (after: number, error: (one: Figures) => number): string => {
    const ranks = measured.flatMap(({ figures }) =>
      figures
        .filter((one) => one.after === after)
        .map(
          (one) =>
            1 + [one.median, ...BASELINES.map((name) => one.baselines[name])].filter((e) => e < error(one)).length,
        ),
    );
    return (ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length).toFixed(2);
  };
  return [
    ['**forecast**', ...AFTER_DAYS.map((after) => rankOf(after, ({ median }) => median))],
    ...BASELINES.map((name) => [name, ...AFTER_DAYS.map((after) => rankOf(after, ({ baselines }) => baselines[name]))]),
  ];
}

function coverageOf(figures: readonly Figures[]): number {
  const held = figures.reduce((sum, one) => sum + one.held, 0);
  return held / figures.reduce((sum, one) => sum + one.months, 0);
}

function ratioOf(one: Figures): number {
  // Where even the best baseline is off by less than a thousandth, nobody needs better.
  return one.median / Math.max(bestBaseline(one), 0.001);
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`.replace('-0.0', '0.0');
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}
