import { countsTokens, type Count, type Dimensions, type UsageCount } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';

/** One line of a day's cost. */
export interface CostLine {
  readonly dimensions: Dimensions;
  /** In major units (dollars) of the dimension `currency`. */
  readonly amount: Decimal;
}

/** Nothing of anything. */
export const NO_COUNTS: Readonly<Record<UsageCount, Count>> = {
  uncached_input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_5m: 0,
  cache_creation_1h: 0,
  web_search_requests: 0,
};

/** One line of a day's usage. */
export interface UsageLine {
  readonly dimensions: Dimensions;
  readonly counts: Readonly<Record<UsageCount, Count>>;
  /** Other counts, by their dotted path in the row; never zero. */
  readonly extraCounts: Readonly<Record<string, Decimal>>;
}

/** The tokens of a usage line. Counts of tokens that we do not know yet are among them. */
export function tokensOf({ counts, extraCounts }: Counted): bigint {
  let tokens =
    BigInt(counts.uncached_input_tokens) +
    BigInt(counts.output_tokens) +
    BigInt(counts.cache_read_input_tokens) +
    BigInt(counts.cache_creation_5m) +
    BigInt(counts.cache_creation_1h);
  for (const path in extraCounts) if (countsTokens(path)) tokens += BigInt(extraCounts[path] ?? 0);
  return tokens;
}

type Counted = Pick<UsageLine, 'counts' | 'extraCounts'>;
