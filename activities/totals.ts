import * as anthropic from '../anthropic/report.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { daysIn, type Day, type DayRange } from '../domain/days.ts';
import type { Report } from '../domain/lines.ts';
import type { Decimal } from '../domain/money.ts';
import { MAX_UNREADABLE_IN_ROW, type Totals } from '../domain/reading.ts';
import type { PageReader } from '../pages/page-reader.ts';
import { asReplyFailure, failureFrom, isUnreadableReply, type UnreadableDay } from './failures.ts';
import { isLastAttempt } from './reading.ts';

/**
 * Reads the totals of a window in one query. On the last attempt it reads them day by day, so that only the unreadable ones
 * are null, and returns these days with their failures.
 */
export async function readTotals(
  pages: PageReader,
  reader: AnthropicReader,
  report: Report,
  window: DayRange,
): Promise<{ totals: Totals; unreadable: UnreadableDay[] }> {
  try {
    return { totals: await queryTotals(pages, reader, report, window), unreadable: [] };
  } catch (error) {
    if (!isLastAttempt() || !isUnreadableReply(error)) throw error;
  }
  const totals: Partial<Record<Day, Decimal | null>> = {};
  const unreadable: UnreadableDay[] = [];
  let inRow = 0;
  for (const day of daysIn(window)) {
    try {
      Object.assign(totals, await queryTotals(pages, reader, report, { from: day, to: day }));
      inRow = 0;
    } catch (error) {
      inRow += 1;
      if (!isUnreadableReply(error) || inRow > MAX_UNREADABLE_IN_ROW) throw error;
      totals[day] = null;
      unreadable.push({ day, failure: failureFrom(error, day), keyId: null });
    }
  }
  return { totals, unreadable };
}

async function queryTotals(
  pages: PageReader,
  reader: AnthropicReader,
  report: Report,
  window: DayRange,
): Promise<Totals> {
  try {
    return await anthropic.readTotals(reader, pages, report, window);
  } catch (error) {
    throw asReplyFailure(error);
  }
}
