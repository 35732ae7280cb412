import {
  ApplicationFailure,
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { AttemptFailure } from '../activities/failures.ts';
import type { DaysDone, SyncResult } from '../activities/sync.ts';
import { addDays, dayOf, daysIn, splitRange, toRanges, type Day, type DayRange } from '../domain/days.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { isOfContent } from '../domain/failures.ts';
import { REPORTS, type Report } from '../domain/lines.ts';
import { judge, type Totals } from '../domain/reading.ts';
import { LONG_READ, POSTGRES, QUESTION } from './activity-options.ts';
import { showSync, spellRange } from './display.ts';
import { attemptFailureOf, workflowFailure, typeOf } from './failures.ts';
import { connectionWorkflowId, syncEnded } from './messages.ts';

/** What a sync starts with: whose it is, its number, and the days to read and why. */
export interface SyncInput {
  readonly connectionId: string;
  readonly n: number;
  readonly plan: SyncPlan;
}

const postgres = proxyActivities<Activities>(POSTGRES);
const anthropic = proxyActivities<Activities>(QUESTION);
const reading = proxyActivities<Activities>(LONG_READ);

/** More days in a row that cannot be read are no matter of these days any more, and the sync ends. */
const MAX_UNREADABLE_DAYS = 3;

/**
 * Reads one window of days for a connection: its workspaces, then cost and usage, each held against its ungrouped
 * totals. Days are committed page by page, so whatever ends it early keeps what it has. A day whose reply cannot be read
 * fails the sync too, but only after all others are read. Returns what it did, or null when its connection has ended.
 */
export async function sync(input: SyncInput): Promise<SyncResult | null> {
  const { connectionId, n, plan } = input;
  const startedAtMs = Date.now();
  let allElseIsRead = false;
  let ranBefore = true;
  try {
    await anthropic.refreshWorkspaces({ connectionId, n, plan });
    const unread: Unread[] = [];
    for (const window of splitRange(plan)) {
      for (const report of REPORTS) {
        showSync(input, `reads **${report}** of ${spellRange(window)}`);
        unread.push(...(await readWindow(input, report, window)));
      }
    }
    const [first] = unread;
    allElseIsRead = first !== undefined;
    if (first !== undefined) throw first.error;
    const succeeded = await postgres.succeedSync({ connectionId, n, plan, startedAtMs });
    showSync(input, 'done');
    if (succeeded === null) return null;
    const { ranBefore: again, ...result } = succeeded;
    ranBefore = again;
    return result;
  } catch (error) {
    // Also when cancelled: whoever looks at this connection next must see that its last sync did not end well.
    ranBefore = await CancellationScope.nonCancellable(() => recordFailure(input, error, allElseIsRead));
    throw error instanceof ApplicationFailure || isCancellation(error) ? error : asSyncFailure(error);
  } finally {
    if (!isAwaited(ranBefore)) await CancellationScope.nonCancellable(() => tellConnection(input));
  }
}

/** Keeps the failure. Returns whether the sync had run before. */
async function recordFailure(input: SyncInput, error: unknown, keyIsProven: boolean): Promise<boolean> {
  const { connectionId, n, plan } = input;
  const details: AttemptFailure = isCancellation(error)
    ? { failure: { code: 'sync_interrupted' }, keyId: null }
    : attemptFailureOf(error);
  showSync(input, 'failed', details.failure);
  const { failure, keyId } = details;
  const failed = { connectionId, n, plan, failure, keyId, nowMs: Date.now(), keyIsProven };
  return (await postgres.failSync(failed)).ranBefore;
}

/** An activity's failure as the sync's own. */
function asSyncFailure(error: unknown): ApplicationFailure {
  return workflowFailure(attemptFailureOf(error), typeOf(error));
}

/**
 * Whether the run of the connection that started this one awaits its end. It does not where it was ended meanwhile, which
 * cancels this one, nor where this run comes from a reset or was started by hand.
 */
function isAwaited(ranBefore: boolean): boolean {
  return workflowInfo().parent !== undefined && !ranBefore && !CancellationScope.current().consideredCancelled;
}

async function tellConnection({ connectionId, n }: SyncInput): Promise<void> {
  try {
    await getExternalWorkflowHandle(connectionWorkflowId(connectionId)).signal(syncEnded, { n });
  } catch {
    // Nobody listens: its connection ended, or is started again later and then looks at Postgres by itself.
  }
}

/** A day that could not be read, and why. */
interface Unread {
  readonly day: Day;
  readonly error: unknown;
}

/** The days that could not be read, and those whose lines contradicted their totals and were not taken. */
interface Failings {
  readonly unread: Unread[];
  readonly suspect: Day[];
  /** What is stored and contradicts the totals; unknown where the days were not held against them yet. */
  disagreeing?: readonly Day[];
}

async function readWindow(
  { connectionId, n, plan }: SyncInput,
  report: Report,
  window: DayRange,
): Promise<readonly Unread[]> {
  const of = { connectionId, n, report };
  const { everyDay } = plan;
  const {
    totals,
    toRead,
    unread: totalless,
  } = await anthropic.surveyDays.executeWithOptions({ summary: `${report}: totals of ${spellRange(window)}` }, [
    { ...of, window, everyDay, today: today() },
  ]);
  const read = await readAround(of, toRead, totals, window);
  const { suspect } = read;
  const unread = [...totalless.flatMap(unreadOf), ...read.unread];
  const disagreeing = read.disagreeing ?? (await postgres.reconcileDays({ ...of, window, totals }));
  const readable = disagreeing.filter((day) => !unread.some((bad) => bad.day === day));
  if (readable.length > 0 || suspect.length > 0) await settle(of, readable, suspect, totals);
  return unread;
}

function unreadOf(details: AttemptFailure): Unread[] {
  return details.day === undefined ? [] : [{ day: details.day, error: workflowFailure(details) }];
}

type OfReport = Readonly<{ connectionId: string; n: number; report: Report }>;

/** Reads days, and goes on after each one whose reply cannot be read. */
async function readAround(of: OfReport, ranges: DayRange[], totals: Totals, window: DayRange): Promise<Failings> {
  const failings: Failings = { unread: [], suspect: [] };
  let left = ranges;
  let inRow = 0;
  while (left.length > 0) {
    try {
      const { suspect, disagreeing } = await readDays(of, left, totals, window);
      failings.suspect.push(...suspect);
      if (disagreeing !== undefined) failings.disagreeing = disagreeing;
      break;
    } catch (error) {
      if (isCancellation(error)) throw error;
      const { failure, day: bad, suspect = [] } = attemptFailureOf(error);
      if (!isOfContent(failure.code) || bad === undefined) throw error;
      const before = failings.unread.at(-1)?.day;
      inRow = before !== undefined && bad === addDays(before, 1) ? inRow + 1 : 1;
      if (inRow > MAX_UNREADABLE_DAYS) throw error;
      failings.unread.push({ day: bad, error });
      failings.suspect.push(...suspect);
      left = toRanges(left.flatMap(daysIn).filter((day) => day > bad));
    }
  }
  return failings;
}

/** Reads days; given totals, those of the window are held against them. */
function readDays(of: OfReport, ranges: DayRange[], totals: Totals | null, window: DayRange | null): Promise<DaysDone> {
  const summary = `${of.report}: lines of ${ranges.map(spellRange).join(', ')}`.slice(0, 190);
  return reading.readDays.executeWithOptions({ summary }, [{ ...of, ranges, totals, window, today: today() }]);
}

/**
 * Days whose lines do not add up to the total read before them. Either they moved meanwhile, then the total read now
 * says so and they stay provisional; or lines are missing, then a second read mends it or the day is flagged. The lines
 * of suspect days were not taken, so they are read again in any case, and are taken then as they come.
 */
async function settle(
  of: OfReport,
  disagreeing: readonly Day[],
  suspect: readonly Day[],
  before: Totals,
): Promise<void> {
  const days = [...new Set([...disagreeing, ...suspect])].sort();
  const after = await totalsOf(of, days);
  const unsettled = await disagreeingOf(of, days, after);
  const again = days.filter(
    (day) => suspect.includes(day) || (unsettled.includes(day) && judge(before, after, day) === 'disagrees'),
  );
  if (again.length === 0) return;
  await readDays(of, toRanges(again), null, null);
  const last = await totalsOf(of, again);
  const wrong = await disagreeingOf(of, again, last);
  const flagged = wrong.filter((day) => judge(after, last, day) === 'disagrees');
  if (flagged.length > 0) await postgres.flagDays({ ...of, days: flagged, totals: last });
}

function totalsOf(of: OfReport, days: readonly Day[]): Promise<Totals> {
  const window = hullOf(days);
  return anthropic.readTotals.executeWithOptions({ summary: `${of.report}: totals of ${spellRange(window)}, again` }, [
    { ...of, window },
  ]);
}

async function disagreeingOf(of: OfReport, days: readonly Day[], totals: Totals): Promise<Day[]> {
  const disagreeing = await postgres.reconcileDays({ ...of, window: hullOf(days), totals });
  return disagreeing.filter((day) => days.includes(day));
}

function hullOf(days: readonly Day[]): DayRange {
  const [first] = days;
  const last = days.at(-1);
  if (first === undefined || last === undefined) throw ApplicationFailure.nonRetryable('no days to hold together');
  return { from: first, to: last };
}

/** Taken anew for every activity: a run that is reset must not call today by an old date. */
function today(): Day {
  return dayOf(Date.now());
}
