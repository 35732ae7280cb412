import type { Schema } from '../client/client.ts';
import { instant, longDay, shortDay } from '../format/days.ts';
import { signOf, sum } from '../format/decimal.ts';
import { usdChange } from '../format/money.ts';
import type { Bar } from './chart/model.ts';
import { unusualIn, type Anomaly } from './unusual.tsx';

/** A day of the coverage of some connections. */
export type CoveredDay = Schema<'Coverage'>['data'][number];

/** A bar for each covered day, with what its rows add up to. A day without rows is zero only if it was read. */
export function barsByDay(
  rows: readonly { readonly day?: string; readonly amount: string }[],
  coverage: readonly CoveredDay[],
  linkOf: (day: string) => string,
  anomalies: readonly Anomaly[],
): Bar[] {
  const first = coverage[0]?.day ?? '';
  return coverage.map(({ day, state, flagged, restated }) => {
    const amounts = rows.flatMap((row) => (row.day === day ? [row.amount] : []));
    const isKnown = amounts.length > 0 || state === 'final' || state === 'provisional';
    const total = isKnown ? sum('0', ...amounts) : null;
    return {
      key: day,
      label: shortDay(day),
      title: longDay(day),
      state,
      values: [total ?? '0'],
      total,
      notes: notesOf({ flagged, restated }),
      unusual: unusualIn(anomalies, { from: day, to: day }, first),
      isRestated: restated !== null,
      link: isKnown ? linkOf(day) : null,
    };
  });
}

/** What a person should know about a day, as sentences. */
export function notesOf({ flagged, restated }: Pick<CoveredDay, 'flagged' | 'restated'>): string[] {
  return [
    ...(restated === null ? [] : [restatementOf(restated)]),
    ...(flagged ? ['The lines disagree with Anthropic’s own total'] : []),
  ];
}

/** How a day was restated. Of several connections, only those count that restated it, so what it was in all is unknown. */
function restatementOf({ changed, at }: NonNullable<CoveredDay['restated']>): string {
  return signOf(changed) === 0
    ? `Restated on ${instant(at)}: lines moved, with the same total`
    : `Restated on ${instant(at)} by ${usdChange(changed)}`;
}
