import { z } from 'zod';
import { addDays, dayOf, type Day, type DayRange } from '../../domain/days.ts';
import type { JsonClient } from '../http.ts';
import type { Console } from '../terminal/console.ts';
import { eventually } from '../wait.ts';
import { numberTable, toCents } from './tables.ts';
import { DECIDED_WITHIN_MS, LOOK_EVERY_MS, mailLines, printLines, type Watched } from './watched.ts';

const NAME = 'Demo budget';
/** The days of the budget before and after today: with a calendar month, the first of a month would have nothing spent. */
const DAYS = { before: 20, after: 9 } as const;
/** The part of the amount that is spent when the budget is made, which reaches the first threshold. */
const SPENT_PART = 0.84;
const THRESHOLDS = [
  { of: 'actual', percent: '80' },
  { of: 'actual', percent: '100' },
] as const;

const range = z.object({ from: z.string(), to: z.string() });
const budgets = z.object({ data: z.array(z.object({ id: z.string(), name: z.string() })) });
const budgetSchema = z.object({
  id: z.string(),
  name: z.string(),
  current: range,
  amount: z.string(),
  spent: z.string(),
  percent: z.string(),
  forecast: z.object({ mean: z.string().nullable(), reason: z.string().nullable(), made_on: z.string().nullable() }),
  days_to_exhaustion: z.number().nullable(),
  thresholds: z.array(
    z.object({ percent: z.string().nullable(), fired_at: z.string().nullable(), notice_id: z.string().nullable() }),
  ),
});
type Budget = z.output<typeof budgetSchema>;
const costs = z.object({ total: z.string() });

/** Makes a budget of which more than 80 % is spent, unless an earlier run made it, and prints what it told. */
export async function printBudget(out: Console, watched: Watched): Promise<void> {
  const { api, stack } = watched;
  let budget = await keepBudget(api, dayOf(Date.now()));
  const isJudged = async (): Promise<boolean> => {
    budget = await api.get(`/v1/budgets/${budget.id}`, {}, budgetSchema);
    return budget.thresholds[0]?.fired_at != null && budget.forecast.made_on !== null;
  };
  await eventually(isJudged, DECIDED_WITHIN_MS, LOOK_EVERY_MS);
  const told = budget.thresholds.findLast(({ notice_id: id }) => id !== null);
  const mail = told === undefined ? [] : await mailLines(watched, { kind: 'budget_threshold' });
  printLines(out, [...budgetLines(budget), ...mail, whatToDo(stack.publicUrl)]);
}

function whatToDo(publicUrl: string): string {
  return `What to do: look at what it was spent on, or change the amount: ${publicUrl}/#/budgets`;
}

/** A budget as a table, and what it told. */
export function budgetLines(budget: Omit<Budget, 'id'>): string[] {
  const { name, current, amount, spent, percent, forecast, thresholds, days_to_exhaustion: left } = budget;
  const { mean, reason } = forecast;
  const cells = [amount, spent, mean ?? '—'].map((text) => (text === '—' ? text : toCents(text)));
  const fired = thresholds.filter(({ fired_at: at }) => at !== null).map(({ percent: of }) => `${of ?? ''} %`);
  return [
    ...numberTable(
      'Budget, to the cent',
      ['amount', 'spent', 'expected', 'percent spent'],
      [{ name: `${name}, ${current.from} to ${current.to}`, cells: [...cells, percent] }],
    ),
    '',
    fired.length === 0 ? 'It told nothing.' : `${fired.join(' and ')} of it is spent, and that is told once.`,
    ...(mean === null && reason !== null ? [`No forecast: ${reason}`] : []),
    ...(left === null || left === 0 ? [] : [`At this pace it is used up ${whenUsedUp(left)}.`]),
  ];
}

function whenUsedUp(days: number): string {
  if (days === 1) return 'today';
  return days === 2 ? 'tomorrow' : `in ${days - 1} days`;
}

/** The demo's budget about today. One of an earlier run stays until its days are over. */
async function keepBudget(api: JsonClient, today: Day): Promise<Budget> {
  const { data } = await api.get('/v1/budgets', {}, budgets);
  const known = data.find(({ name }) => name === NAME);
  if (known === undefined)
    return api.post('/v1/budgets', { name: NAME, ...(await amountNow(api, today)) }, budgetSchema);
  const kept = await api.get(`/v1/budgets/${known.id}`, {}, budgetSchema);
  if (kept.current.to >= today) return kept;
  return api.patch(`/v1/budgets/${known.id}`, await amountNow(api, today), budgetSchema);
}

async function amountNow(
  api: JsonClient,
  today: Day,
): Promise<{ period: DayRange; amount: string; thresholds: typeof THRESHOLDS }> {
  const period = { from: addDays(today, -DAYS.before), to: addDays(today, DAYS.after) };
  const { total } = await api.get('/v1/costs', { from: period.from, to: today, group_by: 'month' }, costs);
  return { period, amount: amountFor(total), thresholds: THRESHOLDS };
}

/** A round amount of which a little more than 80 % is spent. */
export function amountFor(spent: string): string {
  return String(Math.max(1, Math.ceil(Number(spent) / SPENT_PART / 100)) * 100);
}
