import { signOf } from '../../format/decimal.ts';
import type { Bar, BarState } from './model.ts';

type Format = (amount: string) => string;

/** What a person should know about a bar in this state; empty if nothing. */
export const STATES: Readonly<Record<BarState, string>> = {
  final: '',
  provisional: 'Provisional: may still change.',
  missing: 'Still to be read.',
  uncovered: 'Not covered: outside of what the connections have.',
  forecast: 'Expected.',
};

/** A bar in words. */
export function wordsOf(bar: Bar, series: readonly string[], format: Format): string {
  const parts = bar.values.flatMap((value, index) =>
    series.length < 2 || signOf(value) === 0 ? [] : [`${series[index] ?? ''} ${format(value)}.`],
  );
  const total = `${bar.title}: ${bar.total === null ? 'unknown' : format(bar.total)}.`;
  return [total, ...parts, STATES[bar.state], ...bar.notes].filter(Boolean).join(' ');
}

/** A chart in words. */
export function summaryOf(bars: readonly Bar[], format: Format): string {
  const known = bars.flatMap((bar) => (bar.total === null ? [] : [{ title: bar.title, total: bar.total }]));
  const [first] = known;
  if (first === undefined) return 'No amounts are known.';
  const highest = known.reduce((a, b) => (Number(b.total) > Number(a.total) ? b : a), first);
  const lowest = known.reduce((a, b) => (Number(b.total) < Number(a.total) ? b : a), first);
  const ends = `The highest is ${highest.title} with ${format(highest.total)}, the lowest ${lowest.title} with ${format(lowest.total)}.`;
  return `${bars.length} bars. ${ends}`;
}

/** An amount for an axis, as short as it gets: `$5k`. */
export function shortened(value: number, format: Format): string {
  const unit = format('1').startsWith('$') ? '$' : '';
  const sign = value < 0 ? '−' : '';
  const size = Math.abs(value);
  for (const [least, letter] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (size >= least) return `${sign}${unit}${Number((size / least).toPrecision(3))}${letter}`;
  }
  return `${sign}${unit}${Number(size.toPrecision(2))}`;
}
