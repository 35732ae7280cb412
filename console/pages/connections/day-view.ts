import type { components } from '../../client/schema.ts';
import { longDay } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { signOf } from '../../format/decimal.ts';

type CoverageDay = components['schemas']['CoverageList']['data'][number];
type Restatement = components['schemas']['RestatementList']['data'][number];

/** What the calendar shows of a day, both reports together. */
export interface DayView {
  readonly day: string;
  readonly state: 'missing' | 'provisional' | 'final';
  /** What it cost; null if that is not read yet. */
  readonly amount: string | null;
  /** Both reports are read, and have no line. */
  readonly isEmpty: boolean;
  /** Anthropic's own total differs from the lines, and was confirmed. */
  readonly isFlagged: boolean;
  /** How often it changed after it had been read. */
  readonly restated: number;
}

/** The view of a day from its coverage and from how often it was restated. */
export function dayView({ day, state, amount, lines, disagrees_with, usage }: CoverageDay, restated: number): DayView {
  const states = [state, usage.state];
  return {
    day,
    state: states.includes('missing') ? 'missing' : states.includes('provisional') ? 'provisional' : 'final',
    amount,
    isEmpty: lines === 0 && usage.lines === 0,
    isFlagged: disagrees_with !== null || usage.disagrees_with !== null,
    restated,
  };
}

/** How often each day was restated; what both reports of a day changed in one sync counts once. */
export function timesRestated(restatements: readonly Restatement[]): Map<string, number> {
  const syncs = new Map<string, Set<number>>();
  for (const { day, sync } of restatements) {
    const known = syncs.get(day) ?? new Set();
    syncs.set(day, known.add(sync));
  }
  return new Map([...syncs].map(([day, found]) => [day, found.size]));
}

const STATES: Readonly<Record<DayView['state'], string>> = {
  missing: 'still to be read',
  provisional: 'provisional, may still change',
  final: 'final',
};

/** What is known about a day, as sentences without the day. */
export function notesOf({ state, isEmpty, isFlagged, restated }: DayView): string[] {
  return [
    `${STATES[state].charAt(0).toUpperCase()}${STATES[state].slice(1)}.`,
    ...(isEmpty ? ['No usage.'] : []),
    ...(isFlagged ? ['Anthropic’s own total disagrees with its lines.'] : []),
    ...(restated === 0 ? [] : [restated === 1 ? 'Restated once.' : `Restated ${restated} times.`]),
  ];
}

/** A day of the calendar in words: what it cost and what is known about it. */
export function wordsOf(view: DayView): string {
  const amount = view.amount === null ? 'unknown' : usd(view.amount);
  return `${longDay(view.day)}: ${amount}. ${notesOf(view).join(' ')}`;
}

/** How dark each day is, from 0 to 1, against the most expensive one. For the eye only. */
export function shadesOf(views: readonly DayView[]): Map<string, number> {
  const sizes = views.map(({ amount }) => (amount === null ? 0 : Math.max(0, Number(amount))));
  const most = Math.max(0, ...sizes);
  return new Map(views.map(({ day }, index) => [day, most === 0 ? 0 : (sizes[index] ?? 0) / most]));
}

/** The class names of a day's cell. */
export function classesOf(view: DayView): string {
  const isZero = view.amount === null || signOf(view.amount) === 0;
  return [
    view.state,
    ...(view.isEmpty && isZero ? ['empty'] : []),
    ...(view.isFlagged ? ['flagged'] : []),
    ...(view.restated > 0 ? ['restated'] : []),
  ].join(' ');
}

/** A range of days in a sentence: how many are final, provisional and still to be read, and whether they add up. */
export function summaryOf(views: readonly DayView[]): string {
  const size = (has: (view: DayView) => boolean): number => views.filter(has).length;
  const [final, provisional, missing, flagged] = [
    size(({ state }) => state === 'final'),
    size(({ state }) => state === 'provisional'),
    size(({ state }) => state === 'missing'),
    size(({ isFlagged }) => isFlagged),
  ];
  const parts = [
    `${final} of ${views.length} days ${final === 1 ? 'is' : 'are'} final`,
    ...(provisional === 0 ? [] : [`${provisional} may still change`]),
    missing === 0 ? 'none is missing' : `${missing} ${missing === 1 ? 'is' : 'are'} still to be read`,
  ];
  const adds =
    flagged === 0 ? '' : ` ${flagged === 1 ? 'One does' : `${flagged} do`} not add up to Anthropic’s own total.`;
  return `${parts.join(', ')}.${adds}`;
}
