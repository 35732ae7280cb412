import type { Schema } from '../../client/client.ts';
import { addDays, longDay, range } from '../../format/days.ts';
import { exact, usd } from '../../format/money.ts';
import { filtersOf } from '../alerts/report-draft.ts';
import { useFilterWords } from '../explore/names.ts';

/** A budget as its page shows it. */
export type Budget = Schema<'Budget'>;
/** A budget in the list. */
export type BudgetItem = Schema<'BudgetItem'>;
type Threshold = BudgetItem['thresholds'][number];

/** The periods that begin again by themselves. */
export const PERIODS = { month: 'each month', quarter: 'each quarter', year: 'each year' } as const;

/** When a budget counts: `each month`, or its days. */
export function periodText(period: BudgetItem['period']): string {
  return typeof period === 'string' ? PERIODS[period] : range(period.from, period.to);
}

/** What a threshold waits for: `80 % spent`, `$500.00 expected`. */
export function thresholdText({ of, percent, usd: dollars }: Threshold): string {
  return `${percent === null ? usd(dollars ?? '0') : `${exact(percent)} %`} ${of === 'actual' ? 'spent' : 'expected'}`;
}

/** Which costs count, in words. */
export function useScope({ filters, cost_center: center }: Pick<BudgetItem, 'filters' | 'cost_center'>): string {
  const words = useFilterWords(filtersOf(filters ?? {}));
  if (center !== null) return `Cost center ${center}`;
  return words === '' ? 'All costs' : `Costs where ${words}`;
}

/** What is spent, of what: `At least $80.00 of $100.00 (80 %)`. */
export function spentText({ spent, amount, percent, is_lower_bound: isLeast }: Budget): string {
  return `${isLeast ? 'At least ' : ''}${usd(spent)} of ${usd(amount)} (${exact(percent)} %)`;
}

/** What the period is expected to come to, or why nobody can say. */
export function expectedText({ forecast: { mean, low, high, reason, method } }: Budget): string {
  if (mean === null) return `no forecast: ${(reason ?? 'nothing is settled yet').replace(/\.$/, '')}`;
  return method === 'actual'
    ? `${usd(mean)} in all`
    : `${usd(mean)} expected (80 %: ${usd(low ?? mean)} to ${usd(high ?? mean)})`;
}

/** How long the amount lasts. */
export function lastsText({ days_to_exhaustion: days, forecast }: Budget, today: string): string {
  if (days === 0) return 'The amount is used up.';
  if (days !== null) {
    const day = addDays(today, days - 1);
    return `The amount is expected to be used up ${days === 1 ? 'today' : `on ${longDay(day)}, in ${days - 1} ${days === 2 ? 'day' : 'days'}`}.`;
  }
  return forecast.mean === null
    ? 'How long the amount lasts is not known.'
    : 'The amount is expected to last to the end of the period.';
}
