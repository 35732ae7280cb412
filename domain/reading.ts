import { addDays, daysIn, type Day, type DayRange } from './days.ts';
import { ZERO, type Decimal } from './money.ts';

/** Why a sync runs. */
export const SYNC_KINDS = ['backfill', 'daily', 'catch_up', 'manual'] as const;
/** One of {@link SYNC_KINDS}. */
export type SyncKind = (typeof SYNC_KINDS)[number];

/** How a run of a sync stands. */
export const SYNC_STATES = ['running', 'succeeded', 'failed'] as const;
/** One of {@link SYNC_STATES}. */
export type SyncState = (typeof SYNC_STATES)[number];

/** A stored day may still change (`provisional`) or is expected to stay (`final`). A day without a row is missing. */
export const DAY_STATES = ['provisional', 'final'] as const;
/** One of {@link DAY_STATES}. */
export type DayState = (typeof DAY_STATES)[number];

/**
 * What a day is to a sum over several connections: the first of these that it is for any of them. What will be read comes
 * before what never will.
 */
export const COVERAGE_STATES = ['missing', 'uncovered', 'provisional', 'final'] as const;
/** One of {@link COVERAGE_STATES}. */
export type CoverageState = (typeof COVERAGE_STATES)[number];

/** How often an activity asks Anthropic before it gives up. The last attempt reads day by day, and skips unreadable days. */
export const MAX_ATTEMPTS = 3;

/** After more unreadable days in a row than this, the failure does not lie in single days. */
export const MAX_UNREADABLE_IN_ROW = 3;

/** Temporal ends a run of a sync after this time. It is far longer than any window takes. */
export const SYNC_RUN_TIMEOUT_HOURS = 12;

/** The part of a stored day that decides whether it is read again. */
export interface StoredDay {
  readonly day: Day;
  readonly state: DayState;
  readonly total: Decimal;
  /** The day on which it was read last. */
  readonly readOn: Day;
}

/**
 * The totals that a report gives for whole days, read without grouping. A day that is absent had nothing, which is a
 * total of zero; null stands for a total that cannot be read.
 */
export type Totals = Readonly<Partial<Record<Day, Decimal | null>>>;

/** The totals of the days of a window. */
export interface WindowTotals {
  readonly window: DayRange;
  readonly totals: Totals;
}

/** What decides which days of a window are read. */
export interface ReadingFacts extends WindowTotals {
  /** Read every day of the window, whatever is stored: somebody named these days. */
  readonly everyDay: boolean;
  readonly today: Day;
  /** The trailing window: each sync reads this many days before today. */
  readonly restatementDays: number;
  readonly stored: readonly StoredDay[];
}

/**
 * The days of a window to read, oldest first: today and the trailing window, each day that is missing, provisional or not
 * read since it settled, and each day whose total is not the stored one, which is how a late correction is found. A day
 * whose total cannot be read is left out.
 */
export function daysToRead(facts: ReadingFacts): Day[] {
  const stored = new Map(facts.stored.map((day) => [day.day, day]));
  return daysIn(facts.window).filter((day) => {
    const total = totalOf(facts.totals, day);
    if (day > facts.today || total === null) return false;
    const known = stored.get(day);
    if (facts.everyDay || known === undefined || known.state === 'provisional') return true;
    // A clock that was ahead wrote this day.
    if (known.readOn > facts.today) return true;
    if (known.readOn < addDays(day, daysToSettle(facts.restatementDays))) return true;
    return isTrailing(day, facts.today, facts.restatementDays) || known.total !== total;
  });
}

/** Whether a day lies in the trailing window, which each sync reads. */
function isTrailing(day: Day, today: Day, restatementDays: number): boolean {
  return day >= addDays(today, -restatementDays);
}

/**
 * A day has settled once it is read this many days later: on its last read in the trailing window, and never on the day
 * itself. Only then is it final.
 */
export function daysToSettle(restatementDays: number): number {
  return Math.max(1, restatementDays);
}

/** The total of a day: zero where the report has none, null where it cannot be read. */
export function totalOf(totals: Totals, day: Day): Decimal | null {
  const total = totals[day];
  return total === undefined ? ZERO : total;
}

/** The totals of days before their lines were read, and after. */
interface TotalsAround {
  readonly before: Totals;
  readonly after: Totals;
}

/**
 * The days whose lines are read once more: each that was held back, and each that is still suspect although its total
 * stayed the same, so that lines are missing.
 */
export function daysToReread({
  days,
  stillSuspect,
  heldBack,
  ...totals
}: TotalsAround & {
  readonly days: readonly Day[];
  readonly stillSuspect: readonly Day[];
  readonly heldBack: readonly Day[];
}): Day[] {
  return days.filter((day) => heldBack.includes(day) || (stillSuspect.includes(day) && isSameTotal(totals, day)));
}

/** The suspect days to flag: those whose total stayed the same. The others may have changed in between. */
export function daysToFlag({ suspect, ...totals }: TotalsAround & { readonly suspect: readonly Day[] }): Day[] {
  return suspect.filter((day) => isSameTotal(totals, day));
}

/** Whether a day had the same total before its lines were read and after. A total that cannot be read equals none. */
function isSameTotal({ before, after }: TotalsAround, day: Day): boolean {
  const total = totalOf(before, day);
  return total !== null && total === totalOf(after, day);
}
