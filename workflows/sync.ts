import {
  ApplicationFailure,
  CancellationScope,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
} from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { FailureDetails } from '../activities/failures.ts';
import type { DaysDone } from '../activities/sync.ts';
import { dayOf, splitRange, toRanges, type Day, type DayRange } from '../domain/days.ts';
import type { SyncPlan } from '../domain/decide.ts';
import { failureKind } from '../domain/failures.ts';
import { REPORTS, type Report } from '../domain/lines.ts';
import { judge, type Totals } from '../domain/reading.ts';
import { LONG_READ, POSTGRES, QUESTION } from './activity-options.ts';
import { showSync, spellDetail, spellRange } from './display.ts';
import { detailsOf, typeOf } from './failures.ts';
import { connectionWorkflowId, syncEnded } from './messages.ts';

/** What a sync starts with: whose it is, its number, and the days to read and why. */
export interface SyncInput {
  readonly connectionId: string;
  readonly n: number;
  readonly plan: SyncPlan;
}

/** What a sync did, counted in days of a report: two for a day whose cost and usage were both read. */
export interface SyncResult {
  daysRead: number;
  daysNewOrChanged: number;
  daysFlagged: number;
}

const postgres = proxyActivities<Activities>(POSTGRES);
const anthropic = proxyActivities<Activities>(QUESTION);
const reading = proxyActivities<Activities>(LONG_READ);

/**
 * Reads one window of days for a connection: its workspaces, then cost and usage, each held against its ungrouped
 * totals. Days are committed one by one, so whatever ends it early keeps what it has.
 */
export async function sync(input: SyncInput): Promise<SyncResult> {
  const { connectionId, n, plan } = input;
  const startedAtMs = Date.now();
  const result: SyncResult = { daysRead: 0, daysNewOrChanged: 0, daysFlagged: 0 };
  try {
    await postgres.openSync({ connectionId, n, plan });
    await anthropic.refreshWorkspaces({ connectionId, n });
    for (const window of splitRange(plan)) {
      for (const report of REPORTS) {
        showSync(input, `reads **${report}** of ${spellRange(window)}`);
        await readWindow(input, report, window, result);
      }
    }
    await postgres.succeedSync({ connectionId, n, plan, startedAtMs });
    showSync(input, 'done');
    return result;
  } catch (error) {
    // Also when cancelled: whoever looks at this connection next must see that its last sync did not end well.
    await CancellationScope.nonCancellable(() => recordFailure(input, error));
    throw error instanceof ApplicationFailure || isCancellation(error) ? error : failureOf(error);
  } finally {
    await CancellationScope.nonCancellable(() => tellConnection(input));
  }
}

async function recordFailure(input: SyncInput, error: unknown): Promise<void> {
  const { connectionId, n, plan } = input;
  const details: FailureDetails = isCancellation(error)
    ? { fault: { code: 'sync_interrupted' }, keyId: null }
    : detailsOf(error);
  showSync(input, 'failed', details.fault);
  await postgres.failSync({ connectionId, n, plan, ...details, nowMs: Date.now() });
}

/** The sentence and the action, so that a failed workflow's page says why in words. */
function failureOf(error: unknown): ApplicationFailure {
  const { fault, keyId } = detailsOf(error);
  const { message, action } = failureKind(fault.code);
  const text = `${message}${spellDetail(fault)} What to do: ${action}`;
  const failure = ApplicationFailure.nonRetryable(text, typeOf(error) ?? fault.code, { fault, keyId });
  // It would say again what the message says, and that this function was called.
  failure.stack = '';
  return failure;
}

async function tellConnection({ connectionId, n }: SyncInput): Promise<void> {
  try {
    await getExternalWorkflowHandle(connectionWorkflowId(connectionId)).signal(syncEnded, { n });
  } catch {
    // Nobody listens: its connection ended, or is started again later and then looks at Postgres by itself.
  }
}

async function readWindow(
  { connectionId, n, plan }: SyncInput,
  report: Report,
  window: DayRange,
  result: SyncResult,
): Promise<void> {
  const of = { connectionId, n, report };
  const { everyDay } = plan;
  const { totals, toRead } = await anthropic.surveyDays.executeWithOptions(
    { summary: `${report}: totals of ${spellRange(window)}` },
    [{ ...of, window, everyDay, today: today() }],
  );
  if (toRead.length > 0) await readDays(of, toRead, result);
  const disagreeing = await postgres.reconcileDays({ ...of, window, totals });
  if (disagreeing.length > 0) await settle(of, disagreeing, totals, result);
}

type OfReport = Readonly<{ connectionId: string; n: number; report: Report }>;

async function readDays(of: OfReport, ranges: DayRange[], result: SyncResult): Promise<void> {
  const summary = `${of.report}: lines of ${ranges.map(spellRange).join(', ')}`.slice(0, 190);
  const { daysRead, daysChanged }: DaysDone = await reading.readDays.executeWithOptions({ summary }, [
    { ...of, ranges, today: today() },
  ]);
  result.daysRead += daysRead;
  result.daysNewOrChanged += daysChanged;
}

/**
 * Days whose lines do not add up to the total read before them. Either they moved meanwhile, then the total read now
 * says so and they stay provisional; or lines are missing, then a second read mends it or the day is flagged.
 */
async function settle(of: OfReport, disagreeing: readonly Day[], before: Totals, result: SyncResult): Promise<void> {
  const after = await totalsOf(of, disagreeing);
  const unsettled = await disagreeingOf(of, disagreeing, after);
  const stable = unsettled.filter((day) => judge(before, after, day) === 'disagrees');
  if (stable.length === 0) return;
  await readDays(of, toRanges(stable), result);
  const last = await totalsOf(of, stable);
  const wrong = await disagreeingOf(of, stable, last);
  const days = wrong.filter((day) => judge(after, last, day) === 'disagrees');
  if (days.length === 0) return;
  await postgres.flagDays({ ...of, days, totals: last });
  result.daysFlagged += days.length;
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
