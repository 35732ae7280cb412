import { toDecimal } from '../money.ts';
import type { BandDay, Outlook } from './state.ts';

/**
 * What is expected to be spent by the end of each day, for a chart. It begins with what was spent up to the basis of the
 * outlook, and ends with the whole. The band widens with the root of the time, since the errors of days partly cancel.
 */
export function cumulativeBand(outlook: Outlook, spentAtBasis: number): BandDay[] {
  if (outlook.method === null) return [];
  const { days, mean, low, high } = outlook;
  const [below, above] = [Number(mean) - Number(low), Number(high) - Number(mean)];
  let sum = spentAtBasis;
  return days.map((one, index) => {
    sum += Number(one.mean);
    const width = Math.sqrt((index + 1) / days.length);
    const at = (usd: number) => toDecimal(usd.toFixed(2));
    return { day: one.day, mean: at(sum), low: at(sum - below * width), high: at(sum + above * width) };
  });
}
