import type { Schema } from '../../client/client.ts';
import { longDay, shortDay } from '../../format/days.ts';
import { bandNote } from '../../parts/band.ts';
import type { Bar } from '../../parts/chart/model.ts';

/** The name of a method for people. */
export function methodText(method: string): string {
  return method.replaceAll('_', ' ');
}

/** A bar for each day after today, as it is expected. */
export function barsAhead({ days }: Pick<Schema<'Forecast'>, 'days'>, today: string): Bar[] {
  return days.flatMap(({ day, mean, ...band }): Bar[] =>
    day <= today
      ? []
      : [
          {
            ...{ key: day, label: shortDay(day), title: longDay(day), state: 'forecast', values: [mean], total: mean },
            ...{ notes: [bandNote(band)], isRestated: false, link: null, band: { low: band.low, high: band.high } },
          },
        ],
  );
}
