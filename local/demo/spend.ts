import { z } from 'zod';
import { addDays, dayOf } from '../../domain/days.ts';
import type { JsonClient } from '../http.ts';
import type { Console } from '../terminal/console.ts';
import { numberTable, toCents } from './tables.ts';

const SHOWN_MODELS = 8;
const WEEK_DAYS = 7;
const NO_MODEL = 'No model';

const unitCosts = z.object({
  data: z.array(
    z.object({
      model: z.string().nullable(),
      amount: z.string(),
      tokens: z.string(),
      usd_per_million: z.string().nullable(),
      unmatched_amount: z.string(),
    }),
  ),
});

/** Prints what a million tokens of each model cost, the dearest models first. */
export async function printUnitCosts(out: Console, api: JsonClient, query: Record<string, string>): Promise<void> {
  const { data } = await api.get('/v1/unit-costs', { ...query, group_by: 'model', ...LARGEST }, unitCosts);
  const rows = data.map((row) => ({
    name: row.model ?? NO_MODEL,
    cells: [
      row.usd_per_million === null ? '—' : toCents(row.usd_per_million),
      row.tokens,
      toCents(row.amount),
      toCents(row.unmatched_amount),
    ],
  }));
  out.line();
  const columns = ['USD per million', 'tokens', 'USD', 'of that without tokens'];
  for (const line of numberTable('Unit costs, to the cent', columns, rows)) out.line(`  ${line}`);
}

const LARGEST = { order: '-amount', limit: String(SHOWN_MODELS) };
const PARTS = ['before', 'after', 'change', 'volume', 'mix', 'price', 'unmatched'] as const;
const parts = z.object({
  before: z.string(),
  after: z.string(),
  change: z.string(),
  volume: z.string(),
  mix: z.string(),
  price: z.string(),
  unmatched: z.string(),
});
const changes = z.object({
  data: z.array(parts.extend({ model: z.string().nullable() })),
  other: parts.extend({ rows: z.number() }),
  total: parts,
});

/** Prints why the costs of the last seven whole days differ from those of the seven before. */
export async function printChanges(out: Console, api: JsonClient, connectionId: string): Promise<void> {
  const to = addDays(dayOf(Date.now()), -1);
  const query = { connection_id: connectionId, from: addDays(to, 1 - WEEK_DAYS), to, compare: 'previous' };
  const { data, other, total } = await api.get(
    '/v1/costs/changes',
    { ...query, group_by: 'model', ...LARGEST },
    changes,
  );
  const cellsOf = (row: z.output<typeof parts>): string[] => PARTS.map((part) => toCents(row[part]));
  const rows = [
    ...data.map((row) => ({ name: row.model ?? NO_MODEL, cells: cellsOf(row) })),
    ...(other.rows === 0 ? [] : [{ name: `${other.rows} more`, cells: cellsOf(other) }]),
  ];
  out.line();
  for (const line of numberTable('Last week, to the cent', PARTS, rows, cellsOf(total))) out.line(`  ${line}`);
}
