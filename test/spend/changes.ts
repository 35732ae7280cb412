import { rounded, sumOf, textOf, unitsOf } from './decimal.ts';
import type { CostLine, Ledger, UsageLine, Value } from './ledger.ts';
import {
  costLinesOf,
  descending,
  fieldsOf,
  isInRows,
  rowsOf,
  usageLinesOf,
  type Answer,
  type Placed,
} from './oracle.ts';
import type { Query } from './query.ts';

/** Explains changes of cost, cell by cell. */

/** What tokens are called in lines of cost, by the place of their count. */
const TOKEN_TYPES = [
  'uncached_input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation.ephemeral_5m_input_tokens',
  'cache_creation.ephemeral_1h_input_tokens',
];

const PARTS = ['before', 'after', 'change', 'volume', 'mix', 'price', 'unmatched'] as const;
type Change = Readonly<Record<(typeof PARTS)[number], bigint>>;

interface Cell {
  readonly before: bigint;
  readonly after: bigint;
  readonly tokensBefore: bigint;
  readonly tokens: bigint;
}

/** Where costs and tokens meet, beside their day. */
export function cellOf({ connection, line }: Placed<CostLine | UsageLine>, tokenType: Value): string {
  const geo = line.inference_geo === 'not_available' ? null : line.inference_geo;
  const { workspace, model, context_window: context, service_tier: tier } = line;
  return JSON.stringify([connection.id, workspace, model, context, tier, geo, tokenType]);
}

/** The tokens of a line under the names that costs have for them. */
export function tokensByType({ counts, others }: UsageLine): [type: string, tokens: bigint][] {
  const known = TOKEN_TYPES.map((type, place): [string, bigint] => [type, BigInt(counts[place] ?? 0)]);
  const unknown = Object.entries(others).filter(([path]) => path.endsWith('tokens'));
  return [...known, ...unknown.map(([path, text]): [string, bigint] => [path, BigInt(text)])];
}

/** Whole tokens of each cell by range. Filters choose among costs; a cell has all of its tokens. */
function tokensOf(ledger: Ledger, query: Query): (isBefore: boolean, cell: string) => bigint {
  const sums = new Map<string, bigint>();
  const onlyConnections = query.filters.filter(({ dimension }) => dimension === 'connection');
  for (const placed of usageLinesOf(ledger, query, onlyConnections)) {
    for (const [type, count] of tokensByType(placed.line)) {
      const key = `${placed.isBefore} ${cellOf(placed, type)}`;
      sums.set(key, (sums.get(key) ?? 0n) + count);
    }
  }
  return (isBefore, cell) => sums.get(`${isBefore} ${cell}`) ?? 0n;
}

function cellsOf(lines: readonly Placed<CostLine>[], tokens: ReturnType<typeof tokensOf>): Cell[] {
  const keys = new Map<string, Placed<CostLine>[]>();
  for (const placed of lines) {
    const key = placed.line.currency + cellOf(placed, placed.line.token_type);
    keys.set(key, [...(keys.get(key) ?? []), placed]);
  }
  return [...keys.values()].flatMap((own) => {
    const [first] = own;
    if (first === undefined) return [];
    const cell = cellOf(first, first.line.token_type);
    const amount = (isBefore: boolean): bigint =>
      sumOf(own.filter((one) => one.isBefore === isBefore).map(({ line }) => unitsOf(line.amount)));
    return [
      { before: amount(true), after: amount(false), tokensBefore: tokens(true, cell), tokens: tokens(false, cell) },
    ];
  });
}

function explained(cells: readonly Cell[]): Change {
  const before = sumOf(cells.map((cell) => cell.before));
  const after = sumOf(cells.map((cell) => cell.after));
  const price = sumOf(
    cells.map((cell) =>
      cell.tokens === 0n || cell.tokensBefore === 0n
        ? 0n
        : rounded(cell.after * cell.tokensBefore - cell.before * cell.tokens, 1n, cell.tokensBefore),
    ),
  );
  const unmatched = sumOf(
    cells.map((cell) => (cell.tokens === 0n ? cell.after : 0n) - (cell.tokensBefore === 0n ? cell.before : 0n)),
  );
  const [q0, q1] = [sumOf(cells.map((cell) => cell.tokensBefore)), sumOf(cells.map((cell) => cell.tokens))];
  const matched = sumOf(cells.map((cell) => (cell.tokensBefore === 0n ? 0n : cell.before)));
  const volume = q0 === 0n ? 0n : rounded(matched, q1 - q0, q0);
  const change = after - before;
  return { before, after, change, volume, mix: change - price - unmatched - volume, price, unmatched };
}

function textsOf(change: Change): Record<string, string> {
  return Object.fromEntries(PARTS.map((part) => [part, textOf(change[part])]));
}

function added(changes: readonly Change[]): Change {
  const of = (part: (typeof PARTS)[number]): bigint => sumOf(changes.map((change) => change[part]));
  return {
    ...{ before: of('before'), after: of('after'), change: of('change'), volume: of('volume') },
    ...{ mix: of('mix'), price: of('price'), unmatched: of('unmatched') },
  };
}

/** What a query of changes gives. */
export function changesOf(ledger: Ledger, query: Query): Answer {
  const lines = costLinesOf(ledger, query);
  const tokens = tokensOf(ledger, query);
  const rows = rowsOf(
    ledger,
    query,
    lines.filter((line) => isInRows(query, line)),
  ).map(({ key, lines: own }) => ({
    key,
    isInUsd: own.every(({ line }) => line.currency === 'USD'),
    change: explained(cellsOf(own, tokens)),
  }));
  const size = (change: bigint): bigint => (change < 0n ? -change : change);
  if (query.order === '-amount') rows.sort((a, b) => descending(size(a.change.change), size(b.change.change)));
  const others = [...new Set(lines.map(({ line }) => line.currency))].filter((currency) => currency !== 'USD').sort();
  const total = query.groupBy.includes('currency') ? rows.filter(({ isInUsd }) => isInUsd) : rows;
  return {
    rows: rows.map(({ key, change }) => ({ key, row: { ...fieldsOf(ledger, query, key), ...textsOf(change) } })),
    totals: {
      total: textsOf(added(total.map(({ change }) => change))),
      other_currencies: others.map((currency) => {
        const own = lines.filter(({ line }) => line.currency === currency);
        const sum = (isBefore: boolean): bigint =>
          sumOf(own.filter((one) => one.isBefore === isBefore).map(({ line }) => unitsOf(line.amount)));
        const [before, after] = [sum(true), sum(false)];
        return { currency, before: textOf(before), after: textOf(after), change: textOf(after - before) };
      }),
    },
  };
}
