import { z } from 'zod';
import { addDays, dayOf, laterOf } from '../../domain/days.ts';
import { daysOfMonth, monthOf } from '../../domain/months.ts';
import type { Console } from '../terminal/console.ts';
import { numberTable, toCents } from './tables.ts';
import { printLines, type Watched } from './watched.ts';

/** At the end of a month a forecast of the month would have nothing to say. */
const LEAST_DAYS_AHEAD = 6;
const SHOWN_DAYS = 3;

const band = { mean: z.string(), low: z.string(), high: z.string() };
const forecastSchema = z.object({
  from: z.string(),
  through: z.string(),
  reason: z.string().nullable(),
  backtest: z.object({ origins: z.number(), error: z.number(), coverage: z.number() }).nullable(),
  days: z.array(z.object({ day: z.string(), kind: z.enum(['actual', 'forecast']), ...band })),
  total: z.object(band).nullable(),
});

/** Prints what the month is expected to come to, with the band that holds it in eight of ten cases. */
export async function printForecast(out: Console, { api, connectionId }: Watched): Promise<void> {
  const today = dayOf(Date.now());
  const through = laterOf(daysOfMonth(monthOf(today)).to, addDays(today, LEAST_DAYS_AHEAD));
  const found = await api.get('/v1/forecast', { connection_id: connectionId, through }, forecastSchema);
  printLines(out, forecastLines(found));
}

/** A forecast as a table, and how good it is on the past. */
export function forecastLines({
  from,
  through,
  reason,
  backtest,
  days,
  total,
}: z.output<typeof forecastSchema>): string[] {
  if (total === null) return [`No forecast: ${reason ?? 'nothing is read.'}`];
  const cellsOf = ({ low, mean, high }: z.output<z.ZodObject<typeof band>>): string[] => [low, mean, high].map(toCents);
  const ahead = days.filter(({ kind }) => kind === 'forecast').slice(0, SHOWN_DAYS);
  const rows = [
    ...ahead.map((day) => ({ name: day.day, cells: cellsOf(day) })),
    { name: `${from} to ${through}, with what is spent`, cells: cellsOf(total) },
  ];
  const percent = (part: number): string => `${Math.round(part * 100)} %`;
  return [
    ...numberTable('Forecast, to the cent', ['at least', 'expected', 'at most'], rows),
    '',
    'Eight of ten days and totals should lie between "at least" and "at most".',
    ...(backtest === null
      ? []
      : [
          `Tried on ${backtest.origins} days of its own past, the total was off by ${percent(backtest.error)}, and the band held ${percent(backtest.coverage)} of them.`,
        ]),
  ];
}
