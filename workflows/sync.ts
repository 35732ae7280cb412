import {
  ApplicationFailure,
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  workflowInfo,
  type ActivityInterfaceFor,
} from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { DaysRead } from '../activities/days.ts';
import type { AttemptFailure, UnreadableDay } from '../activities/failures.ts';
import type { SyncReport } from '../activities/reading.ts';
import type { Survey, SyncResult, WindowRead } from '../activities/sync.ts';
import { addDays, dayOf, daysIn, spanOf, splitRange, toRanges, type Day, type DayRange } from '../domain/days.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { isContentFailure } from '../domain/failures.ts';
import { REPORTS, type Report } from '../domain/lines.ts';
import { MAX_UNREADABLE_IN_ROW, daysToFlag, daysToReread, type Totals, type WindowTotals } from '../domain/reading.ts';
import { LONG_READ, MAX_SUMMARY_LENGTH, POSTGRES, QUESTION } from './activity-options.ts';
import { showSync, spellRange } from './display.ts';
import { attemptFailureOf, failureTypeOf, workflowFailure } from './failures.ts';
import { connectionWorkflowId, syncEnded } from './messages.ts';
import { readings } from './readings.ts';

/** What a sync starts with: its connection, its number, and its plan, which is the days to read and why. */
export interface SyncInput {
  readonly connectionId: string;
  readonly n: number;
  readonly plan: SyncPlan;
}

const postgres = proxyActivities<Activities>(POSTGRES);
const anthropic = (): ActivityInterfaceFor<Activities> => readings(QUESTION);
const reading = (): ActivityInterfaceFor<Activities> => readings(LONG_READ);

/**
 * Reads one window of days for a connection: its workspaces, cost and usage side by side, each report reconciled with the
 * totals that Anthropic reports. Days are committed page by page, so a sync that ends early keeps the days it finished.
 * Unreadable days fail the sync, but only after all other days are read. Returns what it did, or null when its connection
 * has ended.
 */
export async function sync(input: SyncInput): Promise<SyncResult | null> {
  const end = await readAndRecord(input);
  if (shouldSignal(end.ranBefore)) await CancellationScope.nonCancellable(() => signalConnection(input));
  if ('error' in end) throw end.error;
  return end.result;
}

/** How a sync ended, and whether it ran before. Where Postgres did not say, it counts as one that did. */
type SyncEnd = { readonly ranBefore: boolean } & ({ readonly result: SyncResult | null } | { readonly error: unknown });

async function readAndRecord(input: SyncInput): Promise<SyncEnd> {
  const { connectionId, n, plan } = input;
  const startedAtMs = Date.now();
  try {
    const [unreadable] = await readPlan(input);
    // All other days were read, and with this key.
    if (unreadable !== undefined) return await recordFailedSync(input, workflowFailure(unreadable), true);
    const succeeded = await postgres.succeedSync({ connectionId, n, plan, startedAtMs });
    showSync(input, 'done');
    if (succeeded === null) return { ranBefore: true, result: null };
    const { ranBefore, ...result } = succeeded;
    return { ranBefore, result };
  } catch (error) {
    return recordFailedSync(input, error, false);
  }
}

/**
 * Reads the workspaces and both reports side by side, each report window by window, so that the cost of later days does
 * not wait for the usage of earlier ones. Returns the days that cannot be read. Where one of them fails, the others still
 * read all that they can.
 */
async function readPlan(input: SyncInput): Promise<UnreadableDay[]> {
  const { connectionId, n, plan } = input;
  const under = new Map<Report, DayRange>();
  const show = (report: Report, window: DayRange | null): void => {
    if (window === null) under.delete(report);
    else under.set(report, window);
    const parts = [...under].map(([each, days]) => `**${each}** of ${spellRange(days)}`);
    if (parts.length > 0) showSync(input, `reads ${parts.join(' and ')}`);
  };
  const read = async (report: Report): Promise<UnreadableDay[]> => {
    const unreadable: UnreadableDay[] = [];
    try {
      for (const window of splitRange(plan)) {
        show(report, window);
        unreadable.push(...(await readWindow({ connectionId, n, report }, window, plan)));
      }
      return unreadable;
    } finally {
      show(report, null);
    }
  };
  const readWorkspaces = async (): Promise<UnreadableDay[]> => {
    await anthropic().refreshWorkspaces({ connectionId, n, plan });
    return [];
  };
  const ends = await Promise.allSettled([readWorkspaces(), ...REPORTS.map(read)]);
  const [workspaces, ...reports] = ends;
  // What keeps days from being read matters more than names.
  const failed = [...reports, workspaces].find((end) => end.status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  return ends.flatMap((end) => (end.status === 'fulfilled' ? end.value : []));
}

/**
 * Records a failure, and that of a cancelled sync too: its connection must see that the last sync did not end well.
 * Never throws.
 */
async function recordFailedSync(input: SyncInput, error: unknown, keyIsProven: boolean): Promise<SyncEnd> {
  const { connectionId, n, plan } = input;
  const { failure, keyId }: AttemptFailure = isCancellation(error)
    ? { failure: { code: 'sync_interrupted' }, keyId: null }
    : attemptFailureOf(error);
  showSync(input, 'failed', failure);
  const failed = { connectionId, n, plan, failure, keyId, nowMs: Date.now(), keyIsProven };
  try {
    const { ranBefore } = await CancellationScope.nonCancellable(() => postgres.failSync(failed));
    return { ranBefore, error: asSyncError(error) };
  } catch (recording) {
    // Thrown as it is: it tells the connection that the failure is not recorded.
    return { ranBefore: true, error: recording };
  }
}

/** What a sync ends with: a cancellation as it is, and the failure of an activity as its own. */
function asSyncError(error: unknown): unknown {
  if (error instanceof ApplicationFailure || isCancellation(error)) return error;
  return workflowFailure(attemptFailureOf(error), failureTypeOf(error));
}

/**
 * Whether the connection needs a signal to see the end of this run. It awaits a child that it started. It does not await
 * one that it cancelled because it ended itself, nor one that somebody reset or started by hand.
 */
function shouldSignal(ranBefore: boolean): boolean {
  return workflowInfo().parent === undefined || ranBefore || CancellationScope.current().consideredCancelled;
}

async function signalConnection({ connectionId, n }: SyncInput): Promise<void> {
  try {
    await getExternalWorkflowHandle(connectionWorkflowId(connectionId)).signal(syncEnded, { n });
  } catch {
    // The connection has ended; if it is started again, it looks at Postgres by itself.
  }
}

/** Reads the days of a window that need it, and confirms or clears suspect days. Returns the unreadable days. */
async function readWindow(ref: SyncReport, window: DayRange, plan: SyncPlan): Promise<readonly UnreadableDay[]> {
  const { totals, unreadable, suspect, heldBack } = await readSkipping(ref, window, plan);
  const confirmable = suspect.filter((day) => !unreadable.some((bad) => bad.day === day));
  if (confirmable.length > 0 || heldBack.length > 0) await confirmSuspects(ref, confirmable, heldBack, totals);
  return unreadable;
}

/** A day whose lines cannot be read, and the days before it that were held back. */
interface Obstacle {
  readonly bad: UnreadableDay;
  readonly heldBack: readonly Day[];
  readonly error: unknown;
}

/** The day that an attempt could not read. Rethrows every failure that lies not in one day. */
function obstacleIn(error: unknown): Obstacle {
  if (isCancellation(error)) throw error;
  const { failure, keyId, day, heldBack = [] } = attemptFailureOf(error);
  if (!isContentFailure(failure.code) || day === undefined) throw error;
  return { bad: { day, failure, keyId }, heldBack, error };
}

/** Reads a window, skips each day whose reply cannot be read, and reconciles it. */
async function readSkipping(ref: SyncReport, window: DayRange, plan: SyncPlan): Promise<WindowRead> {
  let obstacle: Obstacle;
  try {
    return await readAtOnce(ref, window, plan);
  } catch (error) {
    obstacle = obstacleIn(error);
  }
  const { totals, toRead, unreadable: withoutTotal } = await surveyDays(ref, window, plan);
  const expected = { window, totals };
  const unreadable: UnreadableDay[] = [];
  const heldBack: Day[] = [];
  let inRow = 0;
  for (;;) {
    const { bad } = obstacle;
    const before = unreadable.at(-1)?.day;
    inRow = before !== undefined && bad.day === addDays(before, 1) ? inRow + 1 : 1;
    if (inRow > MAX_UNREADABLE_IN_ROW) throw obstacle.error;
    unreadable.push(bad);
    heldBack.push(...obstacle.heldBack);
    const left = toRanges(toRead.flatMap(daysIn).filter((day) => day > bad.day));
    const all = [...withoutTotal, ...unreadable];
    if (left.length === 0)
      return { totals, unreadable: all, heldBack, suspect: await postgres.reconcileDays({ ...ref, ...expected }) };
    try {
      const read = await readDays(ref, left, expected);
      return { totals, unreadable: all, heldBack: [...heldBack, ...read.heldBack], suspect: read.suspect };
    } catch (error) {
      obstacle = obstacleIn(error);
    }
  }
}

/**
 * The lines of suspect days do not add up to the total that was read before them. Reads the totals again: where a total
 * moved, the day changed meanwhile, and stays provisional. Where it did not, lines are missing, so they are read once
 * more. Where they still do not add up to a total that stays the same, the day is flagged. Days that were held back are
 * read once more in any case, and their lines are taken as they come.
 */
async function confirmSuspects(
  ref: SyncReport,
  suspect: readonly Day[],
  heldBack: readonly Day[],
  before: Totals,
): Promise<void> {
  const days = [...new Set([...suspect, ...heldBack])].sort();
  const between = await readTotals(ref, days);
  const stillSuspect = await reconcile(ref, days, between);
  const again = daysToReread({ days, stillSuspect, heldBack, before, after: between });
  if (again.length === 0) return;
  await readDays(ref, toRanges(again), null);
  const after = await readTotals(ref, again);
  const confirmed = daysToFlag({ suspect: await reconcile(ref, again, after), before: between, after });
  if (confirmed.length > 0) await postgres.flagDays({ ...ref, days: confirmed, totals: after });
}

function readAtOnce(ref: SyncReport, window: DayRange, plan: SyncPlan): Promise<WindowRead> {
  const summary = `${ref.report}: totals and lines of ${spellRange(window)}`;
  return reading().readWindow.executeWithOptions({ summary }, [{ ...ref, plan, window, today: today() }]);
}

function surveyDays(ref: SyncReport, window: DayRange, plan: SyncPlan): Promise<Survey> {
  const summary = `${ref.report}: totals of ${spellRange(window)}`;
  return anthropic().surveyDays.executeWithOptions({ summary }, [{ ...ref, plan, window, today: today() }]);
}

function readDays(ref: SyncReport, ranges: DayRange[], expected: WindowTotals | null): Promise<DaysRead> {
  const summary = `${ref.report}: lines of ${ranges.map(spellRange).join(', ')}`.slice(0, MAX_SUMMARY_LENGTH);
  return reading().readDays.executeWithOptions({ summary }, [{ ...ref, ranges, expected, today: today() }]);
}

function readTotals(ref: SyncReport, days: readonly Day[]): Promise<Totals> {
  const window = spanOf(days);
  const summary = `${ref.report}: totals of ${spellRange(window)}, again`;
  return anthropic().readTotals.executeWithOptions({ summary }, [{ ...ref, window }]);
}

/** Reconciles the days' window, and returns which of the days are suspect. */
async function reconcile(ref: SyncReport, days: readonly Day[], totals: Totals): Promise<Day[]> {
  const suspect = await postgres.reconcileDays({ ...ref, window: spanOf(days), totals });
  return suspect.filter((day) => days.includes(day));
}

/** Taken at each call: a run that somebody resets must not call today by an old date. */
function today(): Day {
  return dayOf(Date.now());
}
