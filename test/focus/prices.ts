import { costLinesOf, usageLinesOf } from '../spend/oracle.ts';
import { tokensByType } from '../spend/changes.ts';
import type { CostLine, Ledger, UsageLine } from '../spend/ledger.ts';
import { monthQuery } from '../allocation/oracle.ts';
import { byDay } from './api.ts';
import type { Cells } from './files.ts';
import { scaled } from './rules.ts';

/** Which rows have a price, from the ledger in memory. */

/** What a priced row says. */
export function priceText(row: Cells): string {
  const columns = ['x_Model', 'x_TokenType', 'BilledCost', 'ConsumedQuantity', 'ListUnitPrice'];
  return [byDay(row), ...columns.map((name) => row[name])].join(' ');
}

const DIGITS = 60;

function textOf(units: bigint, digits: number): string {
  const all = units.toString().padStart(digits + 1, '0');
  const fraction = all.slice(all.length - digits).replace(/0+$/, '');
  return `${all.slice(0, all.length - digits)}.${fraction === '' ? '0' : fraction}`;
}

/** The texts of all priced rows of a range, sorted. */
export function expectedPrices(ledger: Ledger, range: { from: string; to: string }): string[] {
  const query = { ...monthQuery(range.from.slice(0, 7), range.to), ...range };
  const cellOf = (connection: string, day: string, line: CostLine | UsageLine, type: string | null): string => {
    const geo = line.inference_geo === 'not_available' ? null : line.inference_geo;
    return JSON.stringify([
      connection,
      day,
      line.workspace,
      line.model,
      line.service_tier,
      line.context_window,
      geo,
      type,
    ]);
  };
  const series = new Map<string, Map<string, { amount: bigint; line: CostLine; day: string }>>();
  for (const { connection, day, line } of costLinesOf(ledger, query)) {
    // Every third line has a dimension that the query does not know.
    const place = (connection.cost.get(day)?.lines ?? []).indexOf(line) % 3 === 0;
    const { amount, ...about } = line;
    const cell = cellOf(connection.id, day, line, line.token_type);
    const ofCell = series.get(cell) ?? new Map<string, { amount: bigint; line: CostLine; day: string }>();
    const key = JSON.stringify([Object.entries(about).sort(), place]);
    ofCell.set(key, { amount: (ofCell.get(key)?.amount ?? 0n) + scaled(amount), line, day });
    series.set(cell, ofCell);
  }
  const tokens = new Map<string, bigint>();
  for (const { connection, day, line } of usageLinesOf(ledger, query)) {
    for (const [type, count] of tokensByType(line)) {
      const cell = cellOf(connection.id, day, line, type);
      tokens.set(cell, (tokens.get(cell) ?? 0n) + count);
    }
  }
  return [...series]
    .flatMap(([cell, lines]) => {
      const [only, ...others] = lines.values();
      const count = tokens.get(cell) ?? 0n;
      if (only === undefined || others.length > 0 || count === 0n || only.amount < 0n) return [];
      const { line, amount, day } = only;
      if (line.model === null || line.model === '' || line.token_type === null) return [];
      // At most 12 digits behind the point of the price, and 23 before it.
      if ((amount * 10n ** 18n) % (count * 10n ** BigInt(DIGITS)) !== 0n) return [];
      const price = (amount * 10n ** 18n) / (count * 10n ** BigInt(DIGITS));
      if (price >= 10n ** 35n) return [];
      const texts = [textOf(amount, DIGITS), `${count}.0`, textOf(price, 12)];
      return [[`${day} ${line.currency}`, line.model, line.token_type, ...texts].join(' ')];
    })
    .sort();
}
