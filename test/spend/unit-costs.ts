import { cellOf, tokensByType } from './changes.ts';
import { plusMonths, plus } from './days.ts';
import { rounded, sumOf, textOf, unitsOf } from './decimal.ts';
import type { CostLine, Ledger, UsageLine, Value } from './ledger.ts';
import { costLinesOf, descending, fieldsOf, rowsOf, usageLinesOf, type Answer, type Placed } from './oracle.ts';
import type { Filter, Query } from './query.ts';

/** Joins costs with tokens, day by day, and compares prices, as docs/queries.md says. */

const UNCACHED = 'uncached_input_tokens';
const READ = 'cache_read_input_tokens';
const WRITTEN = ['cache_creation.ephemeral_5m_input_tokens', 'cache_creation.ephemeral_1h_input_tokens'];
const MILLION = 1_000_000n;

/** Where costs and tokens of a type meet on a day. */
interface Cell {
  /** By currency. */
  readonly amounts: Map<string, bigint>;
  tokens: bigint;
}

/** The days and connections that a query asks for, in whole months and without other filters. */
interface Book {
  cell(placed: Placed<CostLine | UsageLine>, type: Value): Cell;
  /** In US dollars for a million tokens; null where none was billed. */
  price(placed: Placed<CostLine | UsageLine>, tier: Value, type: Value): bigint | null;
}

/** What a line of costs, or the tokens of a type in a line of usage, adds to its row. */
interface Part extends Placed<CostLine> {
  readonly amount: bigint;
  readonly tokens: bigint;
  readonly book: Book;
}

function ofGroups(query: Query, isOne: (filter: Filter) => boolean): Query {
  return { ...query, filters: query.filters.filter(isOne) };
}

/** The currency that billed the tokens of a cell: US dollars before others. */
function billedIn({ amounts }: Cell): string | null {
  return amounts.has('USD') ? 'USD' : ([...amounts.keys()].sort()[0] ?? null);
}

function bookOf(ledger: Ledger, query: Query): Book {
  const from = `${query.from.slice(0, 7)}-01`;
  const to = plus(plusMonths(`${query.to.slice(0, 7)}-01`, 1), -1);
  const months = { ...ofGroups(query, ({ dimension }) => dimension === 'connection'), from, to };
  const cells = new Map<string, Cell>();
  const priced = new Map<string, Set<Cell>>();
  const priceKey = ({ connection, day, line }: Placed<CostLine | UsageLine>, tier: Value, type: Value): string => {
    const geo = line.inference_geo === 'not_available' ? null : line.inference_geo;
    return JSON.stringify([
      ...[connection.organization, day.slice(0, 7), line.model, tier, line.context_window, geo, type],
    ]);
  };
  const cell = (placed: Placed<CostLine | UsageLine>, type: Value): Cell => {
    const key = `${placed.day} ${cellOf(placed, type)}`;
    const found = cells.get(key) ?? { amounts: new Map<string, bigint>(), tokens: 0n };
    cells.set(key, found);
    const ofPrice = priceKey(placed, placed.line.service_tier, type);
    priced.set(ofPrice, (priced.get(ofPrice) ?? new Set()).add(found));
    return found;
  };
  for (const placed of costLinesOf(ledger, months)) {
    const { currency, amount, token_type: type } = placed.line;
    const { amounts } = cell(placed, type);
    amounts.set(currency, (amounts.get(currency) ?? 0n) + unitsOf(amount));
  }
  for (const placed of usageLinesOf(ledger, months)) {
    for (const [type, tokens] of tokensByType(placed.line)) cell(placed, type).tokens += tokens;
  }
  return {
    cell,
    price: (placed, tier, type) => {
      const own = [...(priced.get(priceKey(placed, tier, type)) ?? [])].filter((one) => one.amounts.has('USD'));
      const billed = own.filter(({ tokens }) => tokens > 0n);
      if (billed.length === 0) return null;
      const amount = sumOf(billed.map(({ amounts }) => amounts.get('USD') ?? 0n));
      return rounded(amount, MILLION, sumOf(billed.map(({ tokens }) => tokens)));
    },
  };
}

/** A geography that is not available is as good as none, here and in filters. */
function withOneGeo(query: Query): Query {
  const isNone = (value: Value | number): boolean => value === null || value === '' || value === 'not_available';
  const filters = query.filters.map((filter) =>
    filter.dimension === 'inference_geo' && filter.values.some(isNone)
      ? { ...filter, values: [...filter.values, null, 'not_available'] }
      : filter,
  );
  return { ...query, filters };
}

function geoOf<Line extends CostLine | UsageLine>(line: Line): Line {
  return line.inference_geo === 'not_available' ? { ...line, inference_geo: null } : line;
}

function tokensOf(line: UsageLine): [type: string, tokens: bigint][] {
  return tokensByType(line).filter(([, tokens]) => tokens > 0n);
}

/** The parts that pass all filters. Tokens have a type and a currency only here. */
function partsOf(ledger: Ledger, given: Query): Part[] {
  const query = withOneGeo(given);
  const isOfPart = ({ dimension }: Filter): boolean => dimension === 'token_type' || dimension === 'currency';
  const ofUnits = ofGroups(query, (filter) => !isOfPart(filter));
  const book = bookOf(ledger, query);
  const costs = costLinesOf(ledger, ofUnits).map((placed): Part => {
    return { ...placed, line: geoOf(placed.line), amount: unitsOf(placed.line.amount), tokens: 0n, book };
  });
  const tokens = usageLinesOf(ledger, ofUnits).flatMap((placed) =>
    tokensOf(placed.line).map(([type, count]): Part => {
      const { workspace, model, context_window, service_tier, inference_geo } = geoOf(placed.line);
      const unit = { workspace, model, context_window, service_tier, inference_geo, token_type: type };
      const currency = billedIn(book.cell(placed, type));
      // Lines of costs always have a currency, but tokens that nothing billed have none.
      const line = { ...unit, cost_type: null, description: null, currency, amount: '0' } as CostLine;
      return { ...placed, line, amount: 0n, tokens: count, book };
    }),
  );
  const passes = ({ line }: Part, { dimension, values, excludes }: Filter): boolean =>
    values
      .map((value) => (value === '' ? null : value))
      .includes(dimension === 'currency' ? line.currency : line.token_type) !== excludes;
  return [...costs, ...tokens].filter((part) => query.filters.filter(isOfPart).every((filter) => passes(part, filter)));
}

/** Tokens × the difference of two prices. */
function saved(tokens: bigint, dear: bigint, cheap: bigint): bigint {
  return (tokens * (dear - cheap)) / MILLION;
}

/** The sum of what each of these tokens saved; null, and why, if the price of one cannot be compared. */
function savingsOf(
  parts: readonly Part[],
  comparedWith: (part: Part) => bigint | null,
): [savings: string, reason: null] | [savings: null, reason: string] {
  const savings = parts.map((part) => {
    const { tokens, line, book } = part;
    const [compared, own] = [comparedWith(part), book.price(part, line.service_tier, line.token_type)];
    return line.currency !== 'USD' || compared === null || own === null ? null : saved(tokens, compared, own);
  });
  if (!savings.includes(null)) return [textOf(sumOf(savings.map((one) => one ?? 0n))), null];
  return [null, parts.some(({ line }) => line.currency !== 'USD') ? 'other_currency' : 'no_price'];
}

/** The fields of parts in US dollars, or in the one currency that all of them have. */
function unitCostOf({ groupBy }: Query, given: readonly Part[], isInUsd: boolean): Record<string, string | null> {
  const isOwn = ({ line }: Part): boolean => !isInUsd || line.currency === 'USD';
  const costs = given.filter((part) => part.tokens === 0n && isOwn(part));
  const used = given.filter(({ tokens }) => tokens > 0n);
  const billed = used.filter((part) => (part.line.currency as Value) !== null && isOwn(part));
  const currency = isInUsd ? 'USD' : (given[0]?.line.currency as Value);
  const count = (parts: readonly Part[]): bigint => sumOf(parts.map(({ tokens }) => tokens));
  const isUnmatched = (part: Part): boolean => {
    const cell = part.book.cell(part, part.line.token_type);
    return cell.tokens === 0n || billedIn(cell) !== part.line.currency;
  };
  const amount = sumOf(costs.map((part) => part.amount));
  const unmatched = sumOf(costs.filter(isUnmatched).map((part) => part.amount));
  const hasPrice = currency === 'USD' && billed.length > 0;
  const noPrice =
    used.length === 0 ? 'no_tokens' : currency === 'USD' || currency === null ? 'not_billed' : 'other_currency';
  const ofTypes = (parts: readonly Part[], ...types: string[]): Part[] =>
    parts.filter(({ line }) => types.includes(line.token_type ?? ''));
  const input = count(ofTypes(used, UNCACHED, READ, ...WRITTEN));
  const inBatch = billed.filter(({ line }) => line.service_tier === 'batch');
  const [cacheSavings, noCacheSavings] = savingsOf(ofTypes(billed, READ, ...WRITTEN), (part) =>
    part.book.price(part, part.line.service_tier, UNCACHED),
  );
  const [batchSavings, noBatchSavings] = savingsOf(inBatch, (part) =>
    part.book.price(part, 'standard', part.line.token_type),
  );
  return {
    amount: textOf(amount),
    tokens: String(count(used)),
    usd_per_million: hasPrice ? textOf(rounded(amount - unmatched, MILLION, count(billed))) : null,
    reason: hasPrice ? null : noPrice,
    unmatched_amount: textOf(unmatched),
    unpriced_tokens: String(count(used) - count(billed)),
    ...(groupBy.includes('token_type')
      ? {}
      : {
          cache_hit_rate: input === 0n ? null : textOf(rounded(count(ofTypes(used, READ)) * unitsOf('1'), 1n, input)),
          cache_hit_rate_reason: input === 0n ? 'no_input_tokens' : null,
          cache_savings: cacheSavings,
          cache_savings_reason: noCacheSavings,
          batch_savings: batchSavings,
          batch_savings_reason: noBatchSavings,
        }),
  };
}

/** What a query of unit costs gives: every row, and what belongs to all of them. */
export function unitCostsOf(ledger: Ledger, query: Query): Answer {
  const parts = partsOf(ledger, query);
  const byCurrency = query.groupBy.includes('currency');
  const isInRows = ({ tokens, line }: Part): boolean => byCurrency || tokens > 0n || line.currency === 'USD';
  const rows = rowsOf(ledger, query, parts.filter(isInRows)).map(({ key, lines }) => ({
    ...{ key, lines },
    unitCost: unitCostOf(query, lines, !byCurrency),
  }));
  const amountOf = (row: (typeof rows)[number]): bigint => unitsOf(row.unitCost['amount'] ?? '');
  if (query.order === '-amount') rows.sort((a, b) => descending(amountOf(a), amountOf(b)));
  const left = rows.slice(query.limit);
  const others = new Map<string, bigint>();
  for (const { tokens, line, amount } of parts) {
    if (tokens > 0n || line.currency === 'USD') continue;
    others.set(line.currency, (others.get(line.currency) ?? 0n) + amount);
  }
  return {
    rows: rows.map(({ key, unitCost }) => ({ key, row: { ...fieldsOf(ledger, query, key), ...unitCost } })),
    totals: {
      total: unitCostOf(query, parts, true),
      other_currencies: [...others].sort().map(([currency, amount]) => ({ currency, amount: textOf(amount) })),
      ...(query.order === 'key'
        ? {}
        : {
            other: {
              rows: String(left.length),
              ...unitCostOf(
                query,
                left.flatMap(({ lines }) => lines),
                true,
              ),
            },
          }),
    },
  };
}
