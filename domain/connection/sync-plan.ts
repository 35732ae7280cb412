import { dayOf, earlierOf, type Day, type DayRange } from '../days.ts';
import type { SyncKind } from '../reading.ts';
import { isBackfilled, type Facts } from './facts.ts';
import { dailyWindow, lastDayBeforeDaily, lastDueMs } from './schedule.ts';

/** The window of a sync, and why it is read. */
export interface SyncPlan extends DayRange {
  readonly kind: SyncKind;
  /** Whether every day is read again, whatever is stored: somebody named these days. */
  readonly everyDay: boolean;
}

/** Whether two syncs would read the same for the same reason. */
export function isSamePlan(a: SyncPlan, b: SyncPlan): boolean {
  return a.kind === b.kind && a.from === b.from && a.to === b.to && a.everyDay === b.everyDay;
}

/**
 * The sync to start next: first the missing days, then the days that somebody named, then the daily window. After
 * failures the three take turns, so that days which cannot be read do not hold up the rest.
 */
export function nextPlan(facts: Facts, nowMs: number): SyncPlan {
  const today = dayOf(nowMs);
  // A failed request for the recent days stays manual, even if the daily sync is due by now.
  const daily = recentPlan(facts, facts.recentDaysRequested ? 'manual' : 'daily', today);
  const requested = facts.requestedDays === null ? null : requestedPlan(facts.requestedDays);
  const plans = [missingPlan(facts, today), requested, isRecentWanted(facts, nowMs) ? daily : null].filter(
    (plan) => plan !== null,
  );
  const turn = facts.failure === null ? 0 : (facts.failure.count - 1) % Math.max(1, plans.length);
  return plans[turn] ?? daily;
}

/** The sync for a request that names no days: the missing days if there are any, or else the daily window. */
export function manualPlan(facts: Facts, nowMs: number): SyncPlan {
  const today = dayOf(nowMs);
  return missingPlan(facts, today) ?? recentPlan(facts, 'manual', today);
}

/** The sync for days that somebody named. */
export function requestedPlan({ from, to }: DayRange): SyncPlan {
  return { kind: 'manual', from, to, everyDay: true };
}

/** Whether the recent days are to be read now: the daily sync is due, or somebody's request for them failed. */
export function isRecentWanted(facts: Facts, nowMs: number): boolean {
  const dueMs = lastDueMs(facts.connectionId, facts.syncHourUtc, nowMs);
  return facts.recentDaysRequested || facts.syncedAtMs === null || facts.syncedAtMs < dueMs;
}

function recentPlan({ began, openSince }: Facts, kind: 'daily' | 'manual', today: Day): SyncPlan {
  return { ...dailyWindow(began, today, openSince), kind, everyDay: false };
}

function missingPlan(facts: Facts, today: Day): SyncPlan | null {
  const { oldestMissing, newestMissing, oldestUnconfirmed, oldestUnfinished, backfillTo } = facts;
  if (oldestMissing !== null && !isBackfilled(facts)) {
    // Extended history reads the added days only, and not the covered months that follow them.
    const isOld = newestMissing !== null && newestMissing <= lastDayBeforeDaily(today);
    const to = isOld ? newestMissing : earlierOf(backfillTo, today);
    // A sync that failed within the backfill left days behind that nobody else would look at before the next day.
    const from = earlierOf(oldestMissing, oldestUnconfirmed ?? oldestMissing);
    return { kind: 'backfill', from, to, everyDay: false };
  }
  if (oldestUnfinished === null) return null;
  return { kind: 'catch_up', from: oldestUnfinished, to: lastDayBeforeDaily(today), everyDay: false };
}
