import {
  ApplicationFailure,
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { DaysRead } from '../activities/days.ts';
import type { AttemptFailure, UnreadableDay } from '../activities/failures.ts';
import type { ReportOfSync } from '../activities/reading.ts';
import type { Survey, SyncResult } from '../activities/sync.ts';
import { addDays, dayOf, daysIn, splitRange, toRanges, type Day, type DayRange } from '../domain/days.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { isContentFailure } from '../domain/failures.ts';
import { REPORTS } from '../domain/lines.ts';
import { isSameTotal, type Totals, type WindowTotals } from '../domain/reading.ts';
import { LONG_READ, POSTGRES, QUESTION } from './activity-options.ts';
import { showSync, spellRange } from './display.ts';
import { attemptFailureOf, failureTypeOf, workflowFailure } from './failures.ts';
import { connectionWorkflowId, syncEnded } from './messages.ts';

/** What a sync starts with: its connection, its number, and its plan, which is the days to read and why. */
export interface SyncInput {
  readonly connectionId: string;
  readonly n: number;
  readonly plan: SyncPlan;
}

const postgres = proxyActivities<Activities>(POSTGRES);
const anthropic = proxyActivities<Activities>(QUESTION);
const reading = proxyActivities<Activities>(LONG_READ);

/** After more unreadable days in a row than this, the fault is not in single days, and the sync ends. */
const MAX_UNREADABLE_DAYS = 3;
/** Temporal takes 200 bytes for the summary of an activity. */
const MAX_SUMMARY_LENGTH = 190;

/**
 * Reads one window of days for a connection: its workspaces, then cost and usage, each reconciled with the totals that
 * Anthropic reports. Days are committed page by page, so a sync that ends early keeps the days it finished. Unreadable
 * days fail the sync, but only after all other days are read. Returns what it did, or null when its connection has ended.
 */
export async function sync(input: SyncInput): Promise<SyncResult | null> {
  const { connectionId, n, plan } = input;
  const startedAtMs = Date.now();
  let keyIsProven = false;
  let ranBefore = true;
  try {
    await anthropic.refreshWorkspaces({ connectionId, n, plan });
    const unreadable: UnreadableDay[] = [];
    for (const window of splitRange(plan)) {
      for (const report of REPORTS) {
        showSync(input, `reads **${report}** of ${spellRange(window)}`);
        unreadable.push(...(await readWindow({ connectionId, n, report }, window, plan.everyDay)));
      }
    }
    const [first] = unreadable;
    if (first !== undefined) {
      // All other days were read, and with this key.
      keyIsProven = true;
      throw workflowFailure(first);
    }
    const succeeded = await postgres.succeedSync({ connectionId, n, plan, startedAtMs });
    showSync(input, 'done');
    if (succeeded === null) return null;
    const { ranBefore: again, ...result } = succeeded;
    ranBefore = again;
    return result;
  } catch (error) {
    // A cancelled sync records its failure, too: its connection must see that the last sync did not end well.
    ranBefore = await CancellationScope.nonCancellable(() => recordFailure(input, error, keyIsProven));
    throw error instanceof ApplicationFailure || isCancellation(error) ? error : asSyncFailure(error);
  } finally {
    if (!isAwaited(ranBefore)) await CancellationScope.nonCancellable(() => signalConnection(input));
  }
}

/** Returns whether the sync ran before. */
async function recordFailure(input: SyncInput, error: unknown, keyIsProven: boolean): Promise<boolean> {
  const { connectionId, n, plan } = input;
  const { failure, keyId }: AttemptFailure = isCancellation(error)
    ? { failure: { code: 'sync_interrupted' }, keyId: null }
    : attemptFailureOf(error);
  showSync(input, 'failed', failure);
  const failed = { connectionId, n, plan, failure, keyId, nowMs: Date.now(), keyIsProven };
  return (await postgres.failSync(failed)).ranBefore;
}

/** The failure of an activity as the failure of its sync. */
function asSyncFailure(error: unknown): ApplicationFailure {
  return workflowFailure(attemptFailureOf(error), failureTypeOf(error));
}

/**
 * Whether the connection's run awaits the end of this one, as it does for a child that it started. It does not await one
 * that it cancelled because it ended itself, nor one that somebody reset or started by hand.
 */
function isAwaited(ranBefore: boolean): boolean {
  return workflowInfo().parent !== undefined && !ranBefore && !CancellationScope.current().consideredCancelled;
}

async function signalConnection({ connectionId, n }: SyncInput): Promise<void> {
  try {
    await getExternalWorkflowHandle(connectionWorkflowId(connectionId)).signal(syncEnded, { n });
  } catch {
    // The connection has ended; if it is started again, it looks at Postgres by itself.
  }
}

/** Reads the days of a window that need it, and confirms or clears suspect days. Returns the unreadable days. */
async function readWindow(of: ReportOfSync, window: DayRange, everyDay: boolean): Promise<UnreadableDay[]> {
  const survey = await surveyDays(of, window, everyDay);
  const { totals } = survey;
  const read = await readAround(of, survey.toRead, { window, totals });
  const unreadable = [...survey.unreadable, ...read.unreadable];
  const suspect = read.suspect.filter((day) => !unreadable.some((bad) => bad.day === day));
  if (suspect.length > 0 || read.heldBack.length > 0) await confirmSuspects(of, suspect, read.heldBack, totals);
  return unreadable;
}

/** What became of the days of a window. */
interface WindowRead extends DaysRead {
  readonly unreadable: readonly UnreadableDay[];
}

/** Reads days, goes around each day whose reply cannot be read, and reconciles the window. */
async function readAround(of: ReportOfSync, ranges: DayRange[], expected: WindowTotals): Promise<WindowRead> {
  const unreadable: UnreadableDay[] = [];
  const heldBack: Day[] = [];
  let left = ranges;
  let inRow = 0;
  while (left.length > 0) {
    try {
      const read = await readDays(of, left, expected);
      return { unreadable, heldBack: [...heldBack, ...read.heldBack], suspect: read.suspect };
    } catch (error) {
      if (isCancellation(error)) throw error;
      const { failure, keyId, day: bad, heldBack: heldBackBefore = [] } = attemptFailureOf(error);
      if (!isContentFailure(failure.code) || bad === undefined) throw error;
      const before = unreadable.at(-1)?.day;
      inRow = before !== undefined && bad === addDays(before, 1) ? inRow + 1 : 1;
      if (inRow > MAX_UNREADABLE_DAYS) throw error;
      unreadable.push({ day: bad, failure, keyId });
      heldBack.push(...heldBackBefore);
      left = toRanges(left.flatMap(daysIn).filter((day) => day > bad));
    }
  }
  return { unreadable, heldBack, suspect: await postgres.reconcileDays({ ...of, ...expected }) };
}

/**
 * The lines of suspect days do not add up to the total that was read before them. Reads the totals again: where a total
 * moved, the day changed meanwhile, and stays provisional. Where it did not, lines are missing, so they are read once
 * more. Where they still do not add up to a total that stays the same, the day is flagged. Days that were held back are
 * read once more in any case, and their lines are taken as they come.
 */
async function confirmSuspects(
  of: ReportOfSync,
  suspect: readonly Day[],
  heldBack: readonly Day[],
  before: Totals,
): Promise<void> {
  const days = [...new Set([...suspect, ...heldBack])].sort();
  const between = await readTotals(of, days);
  const stillSuspect = await reconcile(of, days, between);
  const again = days.filter(
    (day) => heldBack.includes(day) || (stillSuspect.includes(day) && isSameTotal(before, between, day)),
  );
  if (again.length === 0) return;
  await readDays(of, toRanges(again), null);
  const after = await readTotals(of, again);
  const confirmed = (await reconcile(of, again, after)).filter((day) => isSameTotal(between, after, day));
  if (confirmed.length > 0) await postgres.flagDays({ ...of, days: confirmed, totals: after });
}

function surveyDays(of: ReportOfSync, window: DayRange, everyDay: boolean): Promise<Survey> {
  const summary = `${of.report}: totals of ${spellRange(window)}`;
  return anthropic.surveyDays.executeWithOptions({ summary }, [{ ...of, window, everyDay, today: today() }]);
}

function readDays(of: ReportOfSync, ranges: DayRange[], expected: WindowTotals | null): Promise<DaysRead> {
  const summary = `${of.report}: lines of ${ranges.map(spellRange).join(', ')}`.slice(0, MAX_SUMMARY_LENGTH);
  return reading.readDays.executeWithOptions({ summary }, [{ ...of, ranges, expected, today: today() }]);
}

function readTotals(of: ReportOfSync, days: readonly Day[]): Promise<Totals> {
  const window = hullOf(days);
  const summary = `${of.report}: totals of ${spellRange(window)}, again`;
  return anthropic.readTotals.executeWithOptions({ summary }, [{ ...of, window }]);
}

/** Reconciles the days' window, and returns which of the days are suspect. */
async function reconcile(of: ReportOfSync, days: readonly Day[], totals: Totals): Promise<Day[]> {
  const suspect = await postgres.reconcileDays({ ...of, window: hullOf(days), totals });
  return suspect.filter((day) => days.includes(day));
}

/** The shortest window that has all of the days, which are sorted. */
function hullOf(days: readonly Day[]): DayRange {
  const [first] = days;
  const last = days.at(-1);
  if (first === undefined || last === undefined) throw ApplicationFailure.nonRetryable('no days have no window');
  return { from: first, to: last };
}

/** Taken at each call: a run that somebody resets must not call today by an old date. */
function today(): Day {
  return dayOf(Date.now());
}
