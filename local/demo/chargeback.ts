import { z } from 'zod';
import { addDays, dayOf, type Day } from '../../domain/days.ts';
import { addDecimals, parseDecimal, subtractDecimals, ZERO, type Decimal } from '../../domain/money.ts';
import { daysOfMonth, monthOf, type Month } from '../../domain/months.ts';
import { HttpError, type JsonClient } from '../http.ts';
import type { Console } from '../terminal/console.ts';
import { numberTable, toCents, withSeparators } from './tables.ts';

/** A cost center for each team; what has no team or is not tokens is shared by what the teams spend. */
export const DEMO_ALLOCATION = {
  rules: [
    { name: 'Tools', where: { not: { cost_type: ['tokens'] } }, to: { pool: 'Shared' } },
    { name: 'Teams', where: {}, to: { tag: 'team' } },
    { name: 'Default workspace', where: { workspace: ['default'] }, to: { pool: 'Shared' } },
  ],
  pools: [{ name: 'Shared', split: { proportional: 'cost' } }],
} as const;

const HALF_OF_THE_DAYS = 15;

const decimal = z.string().transform((text, context): Decimal => {
  const read = parseDecimal(text);
  if (read !== null) return read;
  context.addIssue('not a decimal');
  return z.NEVER;
});
const chargeback = z.object({
  data: z.array(
    z.object({
      cost_center: z.string().nullable(),
      direct: decimal,
      shared: decimal,
      adjustment: decimal,
      amount: decimal,
    }),
  ),
  total: decimal,
  total_adjustment: decimal,
});
const bill = z.object({ total: decimal });

/** Allocates the costs to teams, and prints what each owes for the month that most of the last days belong to. */
export async function printChargeback(out: Console, api: JsonClient, from: Day): Promise<void> {
  const month = monthOf(addDays(dayOf(Date.now()), -HALF_OF_THE_DAYS));
  await allocate(api, month, monthOf(from));
  const found = await api.get(`/v1/chargeback/${month}`, { group_by: 'cost_center' }, chargeback);
  const costs = await api.get('/v1/costs', { ...daysOfMonth(month), group_by: 'month' }, bill);
  out.line();
  for (const line of chargebackLines(out, month, found, costs.total)) out.line(`  ${line}`);
}

/** Somebody may have stored another document in an earlier run. */
async function allocate(api: JsonClient, month: Month, from: Month): Promise<void> {
  try {
    await api.get('/v1/allocation', { month }, z.unknown());
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 404) throw error;
    await api.put('/v1/allocation', { from, ...DEMO_ALLOCATION }, z.unknown());
  }
}

/** The month as a table, and whether it adds up to the bill of the month. */
export function chargebackLines(
  out: Pick<Console, 'style'>,
  month: Month,
  { data, total, total_adjustment: adjustment }: z.output<typeof chargeback>,
  billed: Decimal,
): string[] {
  const hasAdjustments = data.some((row) => row.adjustment !== ZERO);
  const columns = (['direct', 'shared', 'adjustment', 'amount'] as const).filter(
    (name) => name !== 'adjustment' || hasAdjustments,
  );
  const rows = data.map((row) => ({
    name: row.cost_center ?? 'Nobody',
    cells: columns.map((name) => toCents(row[name])),
  }));
  const totals = columns.map((name) => toCents(addDecimals(data.map((row) => row[name]))));
  const sum = subtractDecimals(addDecimals(data.map(({ amount }) => amount)), adjustment);
  const verdict =
    sum === billed && total === billed
      ? `${out.style('green', '✓')} The cost centers add up to the bill of ${month}, to the last digit: $${withSeparators(billed)}`
      : `${out.style('red', '✗')} The cost centers add up to $${withSeparators(sum)}, and the bill of ${month} is $${withSeparators(billed)}`;
  return [...numberTable(`Chargeback ${month}, to the cent`, columns, rows, totals), '', verdict];
}
