import type { Schema } from '../../client/client.ts';
import { addDays, instant, longDay, longMonth, monthEnd, monthStart, shortDay } from '../../format/days.ts';
import { signOf } from '../../format/decimal.ts';
import { usdChange } from '../../format/money.ts';
import type { ReadState } from '../../parts/chart/model.ts';
import type { Grain } from './dimensions.ts';

/** The days of one bar. The first and the last bar of a range may have only a part of their week or month. */
export interface Span {
  /** As the API names it: the day, the Monday of the week, or the month. */
  readonly key: string;
  readonly from: string;
  readonly to: string;
  /** For the axis. */
  readonly label: string;
  readonly title: string;
}

/** A day of the coverage of some connections. */
export type CoveredDay = Schema<'Coverage'>['data'][number];

/** The bars of a range. */
export function spansOf(from: string, to: string, grain: Grain): Span[] {
  const spans: Span[] = [];
  for (let first = from; first <= to;) {
    const last = earlier(lastOf(first, grain), to);
    spans.push({ key: keyOf(first, grain), from: first, to: last, ...wordsOf(first, last, grain) });
    first = addDays(last, 1);
  }
  return spans;
}

function earlier(a: string, b: string): string {
  return a < b ? a : b;
}

function mondayOf(day: string): string {
  return addDays(day, -((new Date(day).getUTCDay() + 6) % 7));
}

function lastOf(day: string, grain: Grain): string {
  return grain === 'day' ? day : grain === 'week' ? addDays(mondayOf(day), 6) : monthEnd(day);
}

function keyOf(day: string, grain: Grain): string {
  return grain === 'day' ? day : grain === 'week' ? mondayOf(day) : day.slice(0, 7);
}

function wordsOf(first: string, last: string, grain: Grain): { label: string; title: string } {
  if (grain === 'day') return { label: shortDay(first), title: longDay(first) };
  if (grain === 'week') {
    const isWhole = first === mondayOf(first) && last === addDays(first, 6);
    const title = isWhole ? `Week of ${longDay(first)}` : `${shortDay(first)} – ${longDay(last)}, a part of a week`;
    return { label: shortDay(first), title };
  }
  const isWhole = first === monthStart(first) && last === monthEnd(first);
  const label = longMonth(first).slice(0, 3);
  return { label, title: isWhole ? longMonth(first) : `${shortDay(first)} – ${longDay(last)}` };
}

/** What is known about some days together. */
export interface Certainty {
  readonly state: ReadState;
  readonly isRestated: boolean;
  readonly notes: readonly string[];
}

const WORST: readonly ReadState[] = ['missing', 'uncovered', 'provisional'];
const SHOWN_NOTES = 3;

/** The worst state of the days of a span, and what a person should know about them. */
export function certaintyOf({ from, to }: Span, coverage: readonly CoveredDay[]): Certainty {
  const days = coverage.filter(({ day }) => from <= day && day <= to);
  const state = WORST.find((each) => days.some((day) => day.state === each)) ?? 'final';
  const isOne = from === to;
  const restated = days.filter((day) => day.restated !== null);
  const flagged = days.filter((day) => day.flagged).map(({ day }) => shortDay(day));
  const notes = [
    ...(isOne ? [] : WORST.flatMap((each) => countOf(days, each))),
    ...restated.slice(0, SHOWN_NOTES).flatMap((day) => restatementOf(day, isOne)),
    ...(restated.length > SHOWN_NOTES ? [`${restated.length - SHOWN_NOTES} more days were restated`] : []),
    ...(flagged.length === 0
      ? []
      : [`The lines disagree with Anthropic’s own total${isOne ? '' : ` on ${flagged.join(', ')}`}`]),
  ];
  return { state, isRestated: restated.length > 0, notes: notes.map((note) => `${note}.`) };
}

const WORDS: Readonly<Record<ReadState, string>> = {
  final: '',
  provisional: 'provisional',
  missing: 'still to be read',
  uncovered: 'not covered',
};

function countOf(days: readonly CoveredDay[], state: ReadState): string[] {
  const count = days.filter((day) => day.state === state).length;
  return count === 0 ? [] : [`${count} of ${days.length} days ${count === 1 ? 'is' : 'are'} ${WORDS[state]}`];
}

/**
 * How much the whole day changed, since nobody keeps what each group of it was. What it was says nothing beside the total:
 * that is over all connections, and this over those that changed.
 */
function restatementOf({ day, restated }: CoveredDay, isOne: boolean): string[] {
  if (restated === null) return [];
  const { changed, times } = restated;
  const place = isOne ? 'The whole day' : shortDay(day);
  const at = instant(restated.at);
  if (signOf(changed) === 0) {
    return [`Lines of ${isOne ? 'the day' : place} moved, with the same total, ${times > 1 ? 'last ' : ''}on ${at}`];
  }
  return times > 1
    ? [`${place} was restated ${times} times: ${usdChange(changed)} in all, the last time on ${at}`]
    : [`${place} was restated: ${usdChange(changed)} since ${at}`];
}
