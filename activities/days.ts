import { Context, heartbeat } from '@temporalio/activity';
import { AnthropicError } from '../anthropic/failure.ts';
import * as anthropic from '../anthropic/report.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { commitDays, type DayOutcome, type ReadDay } from '../db/ledger/commit.ts';
import { startReadAttempt, type ReadAttempt } from '../db/ledger/read-attempts.ts';
import { reconcileDays } from '../db/ledger/reconcile.ts';
import { SeriesNumbers } from '../db/ledger/series-numbers.ts';
import { addDays, daysIn, laterOf, type Day, type DayRange } from '../domain/days.ts';
import { totalOf, type WindowTotals } from '../domain/reading.ts';
import type { OpenReading } from '../pages/page-reader.ts';
import type { ReportDay } from '../pages/reading.ts';
import type { Dependencies } from './dependencies.ts';
import { asReplyFailure } from './failures.ts';
import { inTurn } from './in-turn.ts';
import type { LargeReadings } from './large-readings.ts';
import { isLastAttempt, type Progress, type SyncReport } from './reading.ts';

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

/** What the readings of a process share. */
export interface ReadingDependencies extends Dependencies {
  readonly large: LargeReadings;
}

/**
 * Reads the lines of days and commits them page by page, then reconciles the window. A page is committed whole or not at
 * all. On the last attempt, and where days are large, days are read one by one, so that one bad day fails alone.
 */
export async function readDays(
  deps: ReadingDependencies,
  reader: AnthropicReader,
  input: DaysToRead,
  progress: Progress,
): Promise<DaysRead> {
  const { connectionId, report, ranges } = input;
  const [first] = ranges;
  const last = ranges.at(-1);
  if (first === undefined || last === undefined) return { heldBack: [], suspect: [] };
  const span = { from: first.from, to: last.to };
  const pages = deps.large.open(deps.pages, report, Context.current().cancellationSignal);
  try {
    const attempt = await startReadAttempt(deps.db, connectionId, report, span);
    const nothingIsStored = attempt.linesPerDay === 0 && progress.through === null;
    const reading = { ...input, ...attempt, pages, numbers: new SeriesNumbers(), nothingIsStored };
    return await readAndReconcile(deps, reader, reading, progress);
  } finally {
    pages.close();
  }
}

async function readAndReconcile(
  deps: Dependencies,
  reader: AnthropicReader,
  reading: Reading,
  progress: Progress,
): Promise<DaysRead> {
  const { connectionId, report, expected } = reading;
  const mayReadTogether = !isLastAttempt() && reading.linesPerDay <= anthropic.LARGE_LINES;
  const isRead = mayReadTogether && (await readTogether(deps, reader, reading, progress));
  if (!isRead) await readOneByOne(deps, reader, reading, progress);
  const { heldBack } = progress;
  if (expected === null) return { heldBack, suspect: [] };
  const { restatementDays } = deps;
  const comparison = { connectionId, report, ...expected, restatementDays, attempt: reading.attempt };
  return { heldBack, suspect: await reconcileDays(deps.db, comparison) };
}

/** A report that is being read. */
interface Reading extends DaysToRead, ReadAttempt {
  readonly pages: OpenReading;
  readonly numbers: SeriesNumbers;
  /** Whether no day of the report was stored when the attempt began. */
  readonly nothingIsStored: boolean;
}

/** False where a day is too large to be read beside others: another attempt in the same way would fail in the same way. */
async function readTogether(...reading: Parameters<typeof readRanges>): Promise<boolean> {
  try {
    await readRanges(...reading);
    return true;
  } catch (error) {
    const isTooLarge = error instanceof AnthropicError && error.code === 'reply_too_large';
    if (isTooLarge || error instanceof anthropic.LargeDay) return false;
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
  const { report, ranges, linesPerDay, nothingIsStored } = reading;
  const done = progress.through;
  const commit = ({ days, series }: anthropic.PageOfDays): Promise<Map<Day, DayOutcome>> => {
    reading.numbers.add(series);
    return commitDays(deps.db, days.map(toReadDay(reading)), { nothingIsStored });
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
      const read = anthropic.readDays(reader, reading.pages, report, { from, to: range.to }, linesPerDay);
      await inTurn(read, commit, recordProgress);
    } catch (error) {
      throw asReplyFailure(error);
    }
  }
}

function toReadDay(reading: Reading): (read: ReportDay) => ReadDay {
  const { connectionId, n, report, expected, today, attempt, digests, numbers } = reading;
  return ({ day, content }) => {
    const reported = expected === null ? null : totalOf(expected.totals, day);
    const digestBefore = digests.get(day);
    return { connectionId, report, day, content, numbers, attempt, digestBefore, sync: n, today, reported };
  };
}
