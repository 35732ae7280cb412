import { heartbeat } from '@temporalio/activity';
import { readCostDays } from '../anthropic/cost-report.ts';
import { AnthropicError } from '../anthropic/failure.ts';
import { LARGE_LINES, LargeDay } from '../anthropic/report.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { readUsageDays } from '../anthropic/usage-report.ts';
import { commitDays, type DayOutcome, type ReadDay } from '../db/ledger/commit.ts';
import { costContent, usageContent } from '../db/ledger/day-content.ts';
import { startReadAttempt, type ReadAttempt } from '../db/ledger/read-attempts.ts';
import { reconcileDays } from '../db/ledger/reconcile.ts';
import { KnownSeries } from '../db/ledger/series.ts';
import { addDays, daysIn, laterOf, type Day, type DayRange } from '../domain/days.ts';
import type { Report } from '../domain/lines.ts';
import { totalOf, type WindowTotals } from '../domain/reading.ts';
import type { Dependencies } from './dependencies.ts';
import { asReplyFailure } from './failures.ts';
import { inTurn } from './in-turn.ts';
import { isLastAttempt, runIdOfThisActivity, type Progress, type SyncReport } from './reading.ts';

/** The days whose lines are to be read. */
export interface DaysToRead extends SyncReport {
  /** Oldest first. */
  readonly ranges: readonly DayRange[];
  /** The totals to which the lines should add up; null to take the lines whatever they add up to. */
  readonly expected: WindowTotals | null;
  readonly today: Day;
}

/** The days that do not add up to the totals that were expected; none where no totals were given. */
export interface DaysRead {
  /** Days whose new lines were not taken, since they would have replaced a complete day. */
  readonly heldBack: readonly Day[];
  /** Days of the expected window whose stored lines do not add up. */
  readonly suspect: readonly Day[];
}

/**
 * Reads the lines of days and commits them page by page, then reconciles the window. A page is committed whole or not at
 * all. On the last attempt, and where days are large, days are read one by one, so that one bad day fails alone.
 */
export async function readDays(
  deps: Dependencies,
  reader: AnthropicReader,
  input: DaysToRead,
  progress: Progress,
): Promise<DaysRead> {
  const { connectionId, report, ranges, expected } = input;
  const [first] = ranges;
  const last = ranges.at(-1);
  if (first === undefined || last === undefined) return { heldBack: [], suspect: [] };
  const span = { from: first.from, to: last.to };
  const reading = { ...input, ...(await startReadAttempt(deps.db, connectionId, report, span)) };
  const mayReadTogether = !isLastAttempt() && reading.linesPerDay <= LARGE_LINES;
  const isRead = mayReadTogether && (await readTogether(deps, reader, reading, progress));
  if (!isRead) await readOneByOne(deps, reader, reading, progress);
  const { heldBack } = progress;
  if (expected === null) return { heldBack, suspect: [] };
  const { restatementDays } = deps;
  const comparison = { connectionId, report, ...expected, restatementDays, attempt: reading.attempt };
  return { heldBack, suspect: await reconcileDays(deps.db, comparison) };
}

type Reading = DaysToRead & ReadAttempt;

/** False where a day is too large to be read beside others: another attempt in the same way would fail in the same way. */
async function readTogether(...reading: Parameters<typeof readRanges>): Promise<boolean> {
  try {
    await readRanges(...reading);
    return true;
  } catch (error) {
    const isTooLarge = error instanceof AnthropicError && error.code === 'reply_too_large';
    if (isTooLarge || error instanceof LargeDay) return false;
    throw error;
  }
}

async function readOneByOne(
  deps: Dependencies,
  reader: AnthropicReader,
  reading: Reading,
  progress: Progress,
): Promise<void> {
  for (const day of reading.ranges.flatMap(daysIn)) {
    progress.day = day;
    await readRanges(deps, reader, { ...reading, ranges: [{ from: day, to: day }] }, progress);
  }
}

async function readRanges(
  deps: Dependencies,
  reader: AnthropicReader,
  reading: Reading,
  progress: Progress,
): Promise<void> {
  const { report, ranges, linesPerDay } = reading;
  const done = progress.through;
  const known = new KnownSeries();
  let nothingIsStored = linesPerDay === 0 && done === null;
  const commit = (page: readonly ContentOfDay[]): Promise<Map<Day, DayOutcome>> => {
    const outcomes = commitDays(deps.db, page.map(toReadDay(reading)), { nothingIsStored });
    nothingIsStored = false;
    return outcomes;
  };
  const recordProgress = (committed: ReadonlyMap<Day, DayOutcome>): void => {
    for (const [day, outcome] of committed) {
      if (outcome === 'heldBack') progress.heldBack.push(day);
      progress.through = day;
    }
    heartbeat(progress);
  };
  for (const range of ranges) {
    const from = done === null ? range.from : laterOf(range.from, addDays(done, 1));
    if (from > range.to) continue;
    try {
      const pages = readContents(reader, report, { from, to: range.to }, linesPerDay, known);
      await inTurn(pages, commit, recordProgress);
    } catch (error) {
      throw asReplyFailure(error);
    }
  }
}

function toReadDay(reading: Reading): (read: ContentOfDay) => ReadDay {
  const { connectionId, n, report, expected, today, attempt, digests } = reading;
  const sync = { n, runId: runIdOfThisActivity() };
  return ({ day, content }) => {
    const reported = expected === null ? null : totalOf(expected.totals, day);
    return { connectionId, report, day, content, attempt, digestBefore: digests.get(day), sync, today, reported };
  };
}

type ContentOfDay = Pick<ReadDay, 'day' | 'content'>;

async function* readContents(
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
