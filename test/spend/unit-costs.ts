import { rounded, sumOf, textOf, unitsOf } from './decimal.ts';
import type { CostLine, Ledger, UsageLine, Value } from './ledger.ts';
import { cellOf, tokensByType } from './changes.ts';
import { costLinesOf, rowsOf, usageLinesOf, type Placed } from './oracle.ts';
import type { Query } from './query.ts';

/** Joins costs in US dollars with tokens, day by day. */

/** Costs or tokens of a token type. */
interface Part {
  readonly cell: string;
  readonly amount: bigint | null;
  readonly tokens: bigint;
}

/** A geography that is not available is as good as none, here and in filters. */
function withOneGeo<Line extends CostLine | UsageLine>(placed: Placed<Line>): Placed<Line> {
  const { line } = placed;
  return line.inference_geo === 'not_available' ? { ...placed, line: { ...line, inference_geo: null } } : placed;
}

/** Filters on the token type choose among tokens as well, which have one only here. */
function partsOf(ledger: Ledger, query: Query): (Placed<CostLine> & { readonly part: Part })[] {
  const isGeo = (value: Value | number): boolean => value === null || value === '' || value === 'not_available';
  const filters = query.filters.map((filter) =>
    filter.dimension === 'inference_geo' && filter.values.some(isGeo)
      ? { ...filter, values: [...filter.values, null, 'not_available'] }
      : filter,
  );
  const asked = { ...query, filters };
  const day = ({ day: of }: Placed<CostLine | UsageLine>, cell: string): string => `${of} ${cell}`;
  const costs = costLinesOf(ledger, asked).filter(({ line }) => line.currency === 'USD');
  const ofType = filters.filter(({ dimension }) => dimension === 'token_type');
  const others = filters.filter(({ dimension }) => dimension !== 'token_type');
  const passes = (type: Value): boolean =>
    ofType.every(
      ({ values, excludes }) => values.map((value) => (value === '' ? null : value)).includes(type) !== excludes,
    );
  const usage = usageLinesOf(ledger, asked, others).flatMap((placed) =>
    tokensByType(placed.line)
      .filter(([type, tokens]) => passes(type) && tokens > 0n)
      .map(([type, tokens]) => ({
        // Tokens have the dimensions of costs, so that rows of both can be made in one way.
        ...withOneGeo({ ...placed, line: asCost(placed.line, type) }),
        part: { cell: day(placed, cellOf(placed, type)), amount: null, tokens },
      })),
  );
  const paid = costs.map((placed) => ({
    ...withOneGeo(placed),
    part: {
      cell: day(placed, cellOf(placed, placed.line.token_type)),
      amount: unitsOf(placed.line.amount),
      tokens: 0n,
    },
  }));
  return [...paid, ...usage];
}

function asCost({ workspace, model, context_window, service_tier, inference_geo }: UsageLine, type: Value): CostLine {
  const unit = { workspace, model, context_window, service_tier, inference_geo, token_type: type };
  return { ...unit, cost_type: null, description: null, currency: 'USD', amount: '0' };
}

export interface UnitCost {
  readonly key: readonly Value[];
  readonly amount: string;
  readonly tokens: string;
  readonly usd_per_million: string | null;
  readonly unmatched_amount: string;
  readonly unpriced_tokens: string;
}

/** What a query of unit costs gives, in the order of its keys: rows that have costs or tokens. */
export function unitCostsOf(ledger: Ledger, query: Query): UnitCost[] {
  const parts = partsOf(ledger, query);
  const all = parts.map(({ part }) => part);
  const hasTokens = new Set(all.filter(({ tokens }) => tokens > 0n).map(({ cell }) => cell));
  const isBilled = new Set(all.filter(({ amount }) => amount !== null).map(({ cell }) => cell));
  return rowsOf(ledger, query, parts).map(({ key, lines }) => {
    const own = lines.map(({ part }) => part);
    const amount = sumOf(own.map((part) => part.amount ?? 0n));
    const tokens = sumOf(own.map((part) => part.tokens));
    const unmatched = sumOf(own.filter(({ cell }) => !hasTokens.has(cell)).map((part) => part.amount ?? 0n));
    const unpriced = sumOf(own.filter(({ cell }) => !isBilled.has(cell)).map((part) => part.tokens));
    return {
      key,
      amount: textOf(amount),
      tokens: String(tokens),
      usd_per_million: tokens === unpriced ? null : textOf(rounded(amount - unmatched, 1_000_000n, tokens - unpriced)),
      unmatched_amount: textOf(unmatched),
      unpriced_tokens: String(unpriced),
    };
  });
}
