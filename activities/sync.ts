import { heartbeat } from '@temporalio/activity';
import { AnthropicError } from '../anthropic/failure.ts';
import { isOfContent, type Failure } from '../domain/failures.ts';
import { LARGE_LINES, LargeDay } from '../anthropic/report.ts';
import { readCostDays, readCostTotals } from '../anthropic/cost-report.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { readUsageDays, readUsageTotals } from '../anthropic/usage-report.ts';
import * as ledger from '../db/ledger/ledger.ts';
import { KnownSeries, costContent, usageContent } from '../db/ledger/series.ts';
import * as syncs from '../db/ledger/syncs.ts';
import { addDays, daysIn, laterOf, toRanges, type Day, type DayRange } from '../domain/days.ts';
import type { SyncPlan } from '../domain/connection/decide.ts';
import type { Report } from '../domain/lines.ts';
import type { Decimal } from '../domain/money.ts';
import { daysToRead, totalOf, type Totals } from '../domain/reading.ts';
import type { Dependencies } from './dependencies.ts';
import { failureFrom, asReplyFailure, type AttemptFailure } from './failures.ts';
import { isLastTry, readForSync, runIdOfThisActivity, type Progress } from './reading.ts';
import { readWorkspaces } from './workspaces.ts';

export type SyncResult = syncs.SyncResult;

/** Whether a sync had run before: it was reset, or started again by hand. */
interface Again {
  readonly ranBefore: boolean;
}

/** What reading days left to do. */
export interface DaysDone {
  /** The days whose lines contradict the total that was reported, and were not taken. */
  readonly suspect: readonly Day[];
  /** The days of the window whose stored lines contradict the totals, where a window was given. */
  readonly disagreeing?: readonly Day[];
}

/** What the totals of a window say. */
export interface Survey {
  readonly totals: Totals;
  readonly toRead: DayRange[];
  /** The days whose total cannot be read, and why. */
  readonly unread: readonly AttemptFailure[];
}

/** The sync that an activity belongs to. Its run is the one that asked. */
interface OfSync {
  readonly connectionId: string;
  readonly n: number;
}

interface OfReport extends OfSync {
  readonly report: Report;
}

/** What a sync may ask of the outside world. Each may run twice, or while an older attempt still does. */
export interface SyncActivities {
  /**
   * Opens the sync, where its plan is given, and reads the list of workspaces anew: names change, and workspaces are
   * archived.
   */
  refreshWorkspaces(input: OfSync & { plan?: SyncPlan }): Promise<void>;
  /** Reads the ungrouped totals of a window of at most 31 days, and says which of its days are to be read. */
  surveyDays(input: OfReport & { window: DayRange; everyDay: boolean; today: Day }): Promise<Survey>;
  /**
   * Reads the lines of ranges of days, oldest first, and commits them page by page. A retry goes on at the first day not
   * done. Given the totals that were reported, returns the days whose lines contradict them and did not replace what is
   * stored: they are to be read once more. Given their window too, reconciles its days afterwards.
   */
  readDays(
    input: OfReport & {
      ranges: readonly DayRange[];
      totals: Totals | null;
      window: DayRange | null;
      today: Day;
    },
  ): Promise<DaysDone>;
  /** Reads the ungrouped totals of a window again; null for a day whose total cannot be read. */
  readTotals(input: OfReport & { window: DayRange }): Promise<Totals>;
  /** Marks the days whose lines add up to their totals, and returns those that do not. */
  reconcileDays(input: OfReport & { window: DayRange; totals: Totals }): Promise<Day[]>;
  /** Flags days whose lines and totals stably disagree. */
  flagDays(input: OfReport & { days: readonly Day[]; totals: Totals }): Promise<void>;
  /** Ends a sync well, and says what it did; null when its connection has ended. */
  succeedSync(input: OfSync & { plan: SyncPlan; startedAtMs: number }): Promise<(SyncResult & Again) | null>;
  /** With `keyIsProven`, all was read but for days that cannot be, so the key that replaced another is good. */
  failSync(
    input: OfSync & { plan: SyncPlan; failure: Failure; keyId: string | null; nowMs: number; keyIsProven?: boolean },
  ): Promise<Again>;
}

/** Makes the activities of the `sync` workflow. */
export function createSyncActivities(deps: Dependencies): SyncActivities {
  const { db, restatementDays } = deps;
  const runOf = ({ connectionId, n }: OfSync): syncs.SyncRun => ({ connectionId, n, runId: runIdOfThisActivity() });
  return {
    async refreshWorkspaces({ plan, ...sync }) {
      if (plan !== undefined) await syncs.openSync(db, runOf(sync), plan);
      await readForSync(deps, sync, (reader) => readWorkspaces(db, reader, sync.connectionId));
    },

    async surveyDays({ report, window, everyDay, today, ...sync }) {
      const { totals, unread } = await readForSync(deps, sync, (reader) => readTotals(reader, report, window));
      const stored = await ledger.storedDays(db, sync.connectionId, report, window);
      const toRead = toRanges(daysToRead({ window, everyDay, today, restatementDays, stored, totals }));
      return { totals, toRead, unread };
    },

    readDays: (input) => readForSync(deps, input, (reader, progress) => readDays(deps, reader, input, progress)),

    async readTotals({ report, window, ...sync }) {
      const { totals } = await readForSync(deps, sync, (reader) => readTotals(reader, report, window));
      return totals;
    },

    reconcileDays: ({ connectionId, report, window, totals }) =>
      ledger.reconcileDays(db, { connectionId, report, window, totals, restatementDays }),

    flagDays: ({ connectionId, report, days, totals }) => ledger.flagDays(db, { connectionId, report, days, totals }),

    succeedSync: ({ plan, startedAtMs, ...sync }) => syncs.succeedSync(db, runOf(sync), plan, startedAtMs),

    failSync: async ({ plan, failure, keyId, nowMs, keyIsProven = false, ...sync }) => ({
      ranBefore: await syncs.failSync(db, runOf(sync), plan, { failure, keyId, nowMs, keyIsProven }),
    }),
  };
}

async function totalsOf(reader: AnthropicReader, report: Report, window: DayRange): Promise<Totals> {
  try {
    switch (report) {
      case 'cost':
        return await readCostTotals(reader, window);
      case 'usage':
        return await readUsageTotals(reader, window);
    }
  } catch (error) {
    throw asReplyFailure(error);
  }
}

/** More days in a row without a readable total are no matter of these days any more. */
const MAX_UNREADABLE_TOTALS = 3;

/** Reads the totals of a window together; at the last try day by day, so that only the days at fault have none. */
async function readTotals(
  reader: AnthropicReader,
  report: Report,
  window: DayRange,
): Promise<{ totals: Totals; unread: AttemptFailure[] }> {
  try {
    return { totals: await totalsOf(reader, report, window), unread: [] };
  } catch (error) {
    if (!isLastTry() || !isReplyAtFault(error)) throw error;
  }
  const totals: Partial<Record<Day, Decimal | null>> = {};
  const unread: AttemptFailure[] = [];
  let inRow = 0;
  for (const day of daysIn(window)) {
    try {
      Object.assign(totals, await totalsOf(reader, report, { from: day, to: day }));
      inRow = 0;
    } catch (error) {
      inRow += 1;
      if (!isReplyAtFault(error) || inRow > MAX_UNREADABLE_TOTALS) throw error;
      totals[day] = null;
      unread.push({ failure: failureFrom(error, day), keyId: null, day });
    }
  }
  return { totals, unread };
}

function isReplyAtFault(error: unknown): error is AnthropicError {
  return error instanceof AnthropicError && isOfContent(error.code);
}

/** A page is taken whole or not at all. At the last try, days are read one by one, so that only the day at fault fails. */
async function readDays(
  deps: Dependencies,
  reader: AnthropicReader,
  input: Parameters<SyncActivities['readDays']>[0],
  progress: Progress,
): Promise<DaysDone> {
  const { connectionId, report, ranges } = input;
  const [first] = ranges;
  const last = ranges.at(-1);
  if (first === undefined || last === undefined) return { suspect: [] };
  const whole = { from: first.from, to: last.to };
  const reading = { ...input, ...(await ledger.startReadAttempt(deps.db, connectionId, report, whole)) };
  const byRange = !isLastTry() && reading.linesPerDay <= LARGE_LINES;
  const isDone = byRange && (await readByRange(deps, reader, reading, progress));
  if (!isDone) await readByDay(deps, reader, reading, progress);
  const { window, totals } = input;
  if (window === null || totals === null) return { suspect: progress.suspect };
  const { restatementDays } = deps;
  const { attempt } = reading;
  const comparison = { connectionId, report, window, totals, restatementDays, attempt };
  return { suspect: progress.suspect, disagreeing: await ledger.reconcileDays(deps.db, comparison) };
}

/** False where a day is too large, or too large for others beside it. That is not tried again: it stays so. */
async function readByRange(...reading: Parameters<typeof readRanges>): Promise<boolean> {
  try {
    await readRanges(...reading);
    return true;
  } catch (error) {
    if (error instanceof LargeDay || (error instanceof AnthropicError && error.code === 'reply_too_large'))
      return false;
    throw error;
  }
}

type Reading = Parameters<SyncActivities['readDays']>[0] & ledger.ReadAttempt;

async function readByDay(
  deps: Dependencies,
  reader: AnthropicReader,
  input: Reading,
  progress: Progress,
): Promise<void> {
  for (const day of input.ranges.flatMap(daysIn)) {
    progress.day = day;
    await readRanges(deps, reader, { ...input, ranges: [{ from: day, to: day }] }, progress);
  }
}

async function readRanges(
  deps: Dependencies,
  reader: AnthropicReader,
  { connectionId, n, report, ranges, totals, today, attempt, linesPerDay, digests }: Reading,
  progress: Progress,
): Promise<void> {
  const sync = { n, runId: runIdOfThisActivity() };
  const done = progress.through;
  const known = new KnownSeries();
  let nothingIsStored = linesPerDay === 0 && done === null;
  const commit = (page: ContentOfDay[]): Promise<Map<Day, ledger.DayOutcome>> => {
    const read = page.map(({ day, content }): ledger.ReadDay => {
      const reported = totals === null ? null : totalOf(totals, day);
      return { connectionId, report, day, content, attempt, digestBefore: digests.get(day), sync, today, reported };
    });
    const outcomes = ledger.commitDays(deps.db, read, { nothingIsStored });
    nothingIsStored = false;
    return outcomes;
  };
  for (const range of ranges) {
    const from = done === null ? range.from : laterOf(range.from, addDays(done, 1));
    if (from > range.to) continue;
    const contents = contentsOf(reader, report, { from, to: range.to }, linesPerDay, known);
    try {
      await inTurn(contents, commit, (committed) => {
        for (const [day, outcome] of committed) {
          if (outcome === 'suspect') progress.suspect.push(day);
          progress.through = day;
        }
        heartbeat(progress);
      });
    } catch (error) {
      throw asReplyFailure(error);
    }
  }
}

/** Postgres writes the days of one page while the next one is transferred and parsed. */
const PAGES_UNDER_WAY = 2;

/**
 * Does something with each item while another one is under way, and tells `done` in the order of the items, up to the
 * first that fails. What was begun is ended before the failure is thrown.
 */
async function inTurn<T, R>(
  items: AsyncIterable<T>,
  work: (item: T) => Promise<R>,
  done: (result: R) => void,
): Promise<void> {
  const underWay: Promise<R>[] = [];
  const endFirst = async (): Promise<void> => {
    try {
      for (const first of underWay.splice(0, 1)) done(await first);
    } catch (error) {
      // None of these is told: what comes after a failure is done anew.
      await Promise.allSettled(underWay.splice(0));
      throw error;
    }
  };
  const endAll = async (): Promise<void> => {
    while (underWay.length > 0) await endFirst();
  };
  try {
    for await (const item of items) {
      const begun = work(item);
      // It is awaited in its turn; until then its failure has nobody to go to.
      begun.catch(() => undefined);
      underWay.push(begun);
      if (underWay.length >= PAGES_UNDER_WAY) await endFirst();
    }
  } catch (error) {
    // What was begun is done first, but the first failure is the one that is told.
    await endAll().catch(() => undefined);
    throw error;
  }
  await endAll();
}

type ContentOfDay = Pick<ledger.ReadDay, 'day' | 'content'>;

async function* contentsOf(
  reader: AnthropicReader,
  report: Report,
  window: DayRange,
  linesPerDay: number,
  known: KnownSeries,
): AsyncGenerator<ContentOfDay[]> {
  switch (report) {
    case 'cost':
      for await (const page of readCostDays(reader, window, linesPerDay))
        yield page.map(({ day, lines }) => ({ day, content: costContent(lines, known) }));
      return;
    case 'usage':
      for await (const page of readUsageDays(reader, window, linesPerDay))
        yield page.map(({ day, lines }) => ({ day, content: usageContent(lines, known) }));
      return;
  }
}
