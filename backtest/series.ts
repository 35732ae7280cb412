import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addDays, dayOf, toDay, DAY_MS } from '../domain/days.ts';
import type { SettledDay } from '../domain/forecast/forecast.ts';
import { parseDay } from '../simulator/days.ts';
import { generateDay } from '../simulator/organization/day.ts';
import { UNITS_PER_CENT } from '../simulator/organization/money.ts';
import { makeOrganization, type Scale } from '../simulator/organization/organization.ts';

/** A daily series with its name. Public ones are no dollars; the method does not know that. */
export interface NamedSeries {
  readonly name: string;
  readonly days: readonly SettledDay[];
}

/** The public series, by the names of their files in `backtest/data`. */
export const PUBLIC_SERIES = [
  'bike-sharing',
  'bitcoin-transactions',
  'electricity',
  'female-births',
  'highway-traffic',
  'household-power',
  'online-retail',
  'peyton-manning',
  'san-francisco-traffic',
  'solar-power',
  'wind-power',
] as const;

const FIRST_DAY = '2024-01-01';
const SIMULATED_DAYS = 560;

interface Simulated {
  readonly name: string;
  readonly seed: number;
  readonly scale: Partial<Scale>;
  readonly daysOff: boolean;
}

/** Three organizations of the simulator: a small one, one that often begins something new, one that works every day. */
const SIMULATED: readonly Simulated[] = [
  { name: 'simulated: small', seed: 11, scale: { workspaces: 1, models: 2 }, daysOff: true },
  { name: 'simulated: always new', seed: 12, scale: { workspaces: 3, models: 3, newSeriesPerDay: 4 }, daysOff: true },
  { name: 'simulated: every day', seed: 13, scale: { workspaces: 4, models: 5 }, daysOff: false },
];

/** Reads a public series from a directory of CSV files with the columns `day` and `value`. Throws if it is not there. */
export function readSeries(directory: string, name: string): NamedSeries {
  const [, ...lines] = readFileSync(join(directory, `${name}.csv`), 'utf8')
    .trimEnd()
    .split('\n');
  return {
    name,
    days: lines.map((line) => {
      const [day = '', value = ''] = line.split(',');
      return { day: toDay(day), usd: Number(value) };
    }),
  };
}

/** The daily cost in US dollars of the simulated organizations, always the same. */
export function simulatedSeries(): NamedSeries[] {
  return SIMULATED.map(({ name, seed, scale, daysOff }) => {
    const firstDay = parseDay(FIRST_DAY);
    const organization = makeOrganization({ daysOff }, seed, {
      workspaces: 1,
      models: 1,
      linesPerDay: null,
      newSeriesPerDay: 1,
      descriptions: 'plain',
      seriesLifeDays: null,
      unknowns: false,
      firstDay,
      startDay: firstDay + SIMULATED_DAYS,
      ...scale,
    });
    const days = Array.from({ length: SIMULATED_DAYS }, (_, index) => {
      const units = generateDay(organization, firstDay + index, null).cost.reduce((sum, row) => sum + row.units, 0n);
      return {
        day: addDays(dayOf(firstDay * DAY_MS), index),
        usd: Number(units / (UNITS_PER_CENT / 10_000n)) / 1_000_000,
      };
    });
    return { name, days };
  });
}
