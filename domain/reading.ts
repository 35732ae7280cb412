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

/** Whether a stored day may still change (`provisional`) or is thought to be complete (`final`). No row is `missing`. */
export const DAY_STATES = ['provisional', 'final'] as const;
/** One of {@link DAY_STATES}. */
export type DayState = (typeof DAY_STATES)[number];

/** What is stored of a day of a report, as far as reading decides by it. */
export interface StoredDay {
  readonly day: Day;
  readonly state: DayState;
  readonly total: Decimal;
  /** The day on which it was read last. */
  readonly readOn: Day;
}

/** Ungrouped totals of days; null where a day's total cannot be read. */
export type Totals = Readonly<Partial<Record<Day, Decimal | null>>>;

/** What decides which days of a window are read. */
export interface ReadingFacts {
  readonly window: DayRange;
  /** Read every day of the window, whatever is stored: what a person asks for by naming days. */
  readonly everyDay: boolean;
  readonly today: Day;
  /** The trailing window: this many days before today are read at each sync. */
  readonly restatementDays: number;
  readonly stored: readonly StoredDay[];
  /** The ungrouped totals just read. A day that they lack had none, which is a total of zero. */
  readonly totals: Totals;
}

/**
 * The days of a window to read, oldest first, but for those whose total cannot be read: those that are missing, may still change, or were not read since they
 * settled, the trailing window with today, and every day whose total differs from what is stored, which is how a late correction is found.
 */
export function daysToRead(facts: ReadingFacts): Day[] {
  const stored = new Map(facts.stored.map((day) => [day.day, day]));
  return daysIn(facts.window).filter((day) => {
    const total = totalOf(facts.totals, day);
    if (day > facts.today || total === null) return false;
    const known = stored.get(day);
    if (facts.everyDay || known === undefined || known.state === 'provisional') return true;
    // Read by a clock that was ahead.
    if (known.readOn > facts.today) return true;
    if (known.readOn < addDays(day, daysToSettle(facts.restatementDays))) return true;
    return isTrailing(day, facts.today, facts.restatementDays) || known.total !== total;
  });
}

/** Whether a day lies in the trailing window that is read at each sync. */
export function isTrailing(day: Day, today: Day, restatementDays: number): boolean {
  return day >= addDays(today, -restatementDays);
}

/**
 * A day has settled when it is read at least this many days later: on its last read in the trailing window, and never
 * on the day itself. Only then it is final.
 */
export function daysToSettle(restatementDays: number): number {
  return Math.max(1, restatementDays);
}

/** The total of a day: zero when the report has none, null when it cannot be read. */
export function totalOf(totals: Totals, day: Day): Decimal | null {
  const total = totals[day];
  return total === undefined ? ZERO : total;
}

/**
 * What two ungrouped reads, before and after a day's lines were read, say of a day whose lines add up to neither:
 * `disagrees` when both agree with each other, `moving` when the day changed meanwhile, or may have.
 */
export function judge(before: Totals, after: Totals, day: Day): 'disagrees' | 'moving' {
  const [first, second] = [totalOf(before, day), totalOf(after, day)];
  return first !== null && first === second ? 'disagrees' : 'moving';
}
