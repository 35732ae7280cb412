/** Any value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The reports of Anthropic that Meterline reads. */
export type Report = 'cost' | 'usage';
/** Every report, in the order in which a sync reads them. */
export const REPORTS = ['cost', 'usage'] as const satisfies readonly Report[];

/**
 * What a line is about: every field of its row that is not an amount or a count, also a field that we do not know. An
 * absent field and a null one mean the same.
 */
export type Dimensions = Readonly<Record<string, Json>>;

/** The dimensions of a cost line that have a column of their own. */
export const COST_DIMENSIONS = [
  'workspace_id',
  'description',
  'cost_type',
  'model',
  'token_type',
  'context_window',
  'service_tier',
  'inference_geo',
  'currency',
] as const;

/** The dimensions of a usage line that have a column of their own; also what usage is grouped by. */
export const USAGE_DIMENSIONS = ['workspace_id', 'model', 'service_tier', 'context_window', 'inference_geo'] as const;

/** What costs are rolled up by, beside the day. */
export const GROUP_DIMENSIONS = [
  'workspace_id',
  'model',
  'cost_type',
  'currency',
] as const satisfies readonly (typeof COST_DIMENSIONS)[number][];

/**
 * The text that a dimension of a unit has. A model without a choice of geography reports `not_available` in one report and
 * nothing in the other, which is the same.
 */
export function unitText(dimension: string, text: string | null): string | null {
  return dimension === 'inference_geo' && text === 'not_available' ? null : text;
}

/** The counts of a usage line that have a column of their own. The last one counts requests, the others tokens. */
export const USAGE_COUNTS = [
  'uncached_input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_5m',
  'cache_creation_1h',
  'web_search_requests',
] as const;
/** One of {@link USAGE_COUNTS}. */
export type UsageCount = (typeof USAGE_COUNTS)[number];

/** Those of them that count tokens. */
export const TOKEN_COUNTS = USAGE_COUNTS.filter((name) => name !== 'web_search_requests');
/** One of {@link TOKEN_COUNTS}. */
export type TokenCount = (typeof TOKEN_COUNTS)[number];

/** What costs call the tokens of each count. It is also the dotted path of the count in a row of usage. */
export const TOKEN_TYPES: Readonly<Record<TokenCount, string>> = {
  uncached_input_tokens: 'uncached_input_tokens',
  output_tokens: 'output_tokens',
  cache_read_input_tokens: 'cache_read_input_tokens',
  cache_creation_5m: 'cache_creation.ephemeral_5m_input_tokens',
  cache_creation_1h: 'cache_creation.ephemeral_1h_input_tokens',
};

/**
 * What cells of costs are about, beside the day and a token type that usage has no count for: whatever a cost is about but
 * its description.
 */
export const CELL_DIMENSIONS = [...USAGE_DIMENSIONS, 'cost_type', 'currency'] as const;

/** The amounts of a cell: by the count of usage that they pay for, after those that pay for none of these counts. */
export const CELL_AMOUNTS = ['other', ...TOKEN_COUNTS] as const;

/** The place among {@link CELL_AMOUNTS} of costs of a token type, or without any: its kind. */
export function tokenKind(tokenType: string | null): number {
  return TOKEN_COUNTS.findIndex((count) => TOKEN_TYPES[count] === tokenType) + 1;
}

/** A whole number, not negative; a bigint where a float might round it. */
export type Count = number | bigint;

/** Whether the count at this dotted path counts tokens. The function `other_tokens` in Postgres has the same rule. */
export function countsTokens(path: string): boolean {
  return path.endsWith('tokens');
}

/** The exact sum of counts. */
export function addCounts(counts: readonly Count[]): Count {
  // No count is negative, so where the sum is below 2^53, each sum on the way was, and no float was rounded.
  const sum = counts.reduce<number>((before, count) => before + Number(count), 0);
  return Number.isSafeInteger(sum) ? sum : counts.reduce<bigint>((before, count) => before + BigInt(count), 0n);
}

/**
 * The one text that stands for a set of dimensions: fields sorted by name at every depth, without nulls. So a line keeps
 * its identity whatever the order of its fields, and when a field gets a column of its own.
 */
export function canonicalDimensions(dimensions: Dimensions): string {
  const fields = Object.keys(dimensions)
    .sort()
    .filter((name) => (dimensions[name] ?? null) !== null)
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(sorted(dimensions[name] ?? null))}`);
  return `{${fields.join(',')}}`;
}

function sorted(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, sorted(field)]),
  );
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
