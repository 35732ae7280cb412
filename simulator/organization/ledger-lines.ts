import { z } from 'zod';
import type { Books } from './ledger.ts';
import type { Counts } from './day.ts';
import { formatDay, parseDay } from '../days.ts';
import { formatCents, formatDollars } from './money.ts';

export interface CostLedgerLine {
  day: string;
  workspace_id: string | null;
  description: string;
  cost_type: string;
  model: string | null;
  token_type: string | null;
  context_window: string | null;
  service_tier: string | null;
  inference_geo: string | null;
  currency: string;
  extra?: Record<string, string>;
  amount_cents: string;
  amount_usd: string;
}

export interface UsageLedgerLine {
  day: string;
  workspace_id: string | null;
  model: string;
  service_tier: string;
  context_window: string;
  inference_geo: string;
  uncached_input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_5m: number;
  cache_creation_1h: number;
  web_search_requests: number;
}

export const ledgerQuerySchema = z.strictObject({
  report: z.enum(['cost', 'usage']),
  from: z.string(),
  to: z.string(),
  organization: z.string().optional(),
});

/** Every cost line from `from` to `to` (both inclusive), from the model itself and not from served pages. */
export function costLedger(books: Books, from: string, to: string): CostLedgerLine[] {
  return days(from, to).flatMap((day) =>
    books.day(day).cost.map(({ series, units }) => ({
      day: formatDay(day),
      workspace_id: series.workspaceId,
      description: series.description,
      cost_type: series.costType,
      model: series.model,
      token_type: series.tokenType,
      context_window: series.contextWindow,
      service_tier: series.serviceTier,
      inference_geo: series.inferenceGeo,
      currency: series.currency,
      ...(series.extra === null ? {} : { extra: { ...series.extra } }),
      amount_cents: formatCents(units),
      amount_usd: formatDollars(units),
    })),
  );
}

/** The same for token counts, by workspace, model, service tier, context window and inference geography. */
export function usageLedger(books: Books, from: string, to: string): UsageLedgerLine[] {
  return days(from, to).flatMap((day) =>
    books.day(day).usage.map(({ cell, counts }) => ({
      day: formatDay(day),
      workspace_id: cell.workspaceId,
      model: cell.model,
      service_tier: cell.serviceTier,
      context_window: cell.contextWindow,
      inference_geo: cell.inferenceGeo,
      ...countFields(counts),
    })),
  );
}

function countFields(
  counts: Counts,
): Pick<
  UsageLedgerLine,
  | 'uncached_input_tokens'
  | 'output_tokens'
  | 'cache_read_input_tokens'
  | 'cache_creation_5m'
  | 'cache_creation_1h'
  | 'web_search_requests'
> {
  return {
    uncached_input_tokens: counts.uncached,
    output_tokens: counts.output,
    cache_read_input_tokens: counts.cacheRead,
    cache_creation_5m: counts.cache5m,
    cache_creation_1h: counts.cache1h,
    web_search_requests: counts.searches,
  };
}

function days(from: string, to: string): number[] {
  const first = parseDay(from);
  return Array.from({ length: Math.max(0, parseDay(to) - first + 1) }, (_, index) => first + index);
}
