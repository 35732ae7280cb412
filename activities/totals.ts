import { readCostTotals } from '../anthropic/cost-report.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { readUsageTotals } from '../anthropic/usage-report.ts';
import { daysIn, type Day, type DayRange } from '../domain/days.ts';
import type { Report } from '../domain/lines.ts';
import type { Decimal } from '../domain/money.ts';
import type { Totals } from '../domain/reading.ts';
import { asReplyFailure, failureFrom, isUnreadableReply, type UnreadableDay } from './failures.ts';
import { isLastTry } from './reading.ts';

/** After more unreadable totals in a row than this, the fault is not in single days, and the attempt fails. */
const MAX_UNREADABLE_TOTALS = 3;

/**
 * Reads the totals of a window in one query. On the last try it reads them day by day, so that only the unreadable ones
 * are null, and returns these days with their failures.
 */
export async function readTotals(
  reader: AnthropicReader,
  report: Report,
  window: DayRange,
): Promise<{ totals: Totals; unreadable: UnreadableDay[] }> {
  try {
    return { totals: await queryTotals(reader, report, window), unreadable: [] };
  } catch (error) {
    if (!isLastTry() || !isUnreadableReply(error)) throw error;
  }
  const totals: Partial<Record<Day, Decimal | null>> = {};
  const unreadable: UnreadableDay[] = [];
  let inRow = 0;
  for (const day of daysIn(window)) {
    try {
      Object.assign(totals, await queryTotals(reader, report, { from: day, to: day }));
      inRow = 0;
    } catch (error) {
      inRow += 1;
      if (!isUnreadableReply(error) || inRow > MAX_UNREADABLE_TOTALS) throw error;
      totals[day] = null;
      unreadable.push({ day, failure: failureFrom(error, day), keyId: null });
    }
  }
  return { totals, unreadable };
}

async function queryTotals(reader: AnthropicReader, report: Report, window: DayRange): Promise<Totals> {
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
