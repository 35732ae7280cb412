import { z } from 'zod';
import { formatDay, parseDay } from '../days.ts';
import type { Counts } from './day.ts';
import type { Ledger } from './ledger.ts';
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

interface CountFields {
  uncached_input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_5m: number;
  cache_creation_1h: number;
  web_search_requests: number;
}

export interface UsageLedgerLine extends CountFields {
  day: string;
  workspace_id: string | null;
  model: string;
  service_tier: string;
  context_window: string;
  inference_geo: string;
}

/** Which lines: `from` and `to` are days and both count. */
export const ledgerQuerySchema = z.strictObject({
  report: z.enum(['cost', 'usage']),
  from: z.string(),
  to: z.string(),
  organization: z.string().optional(),
});

export type LedgerQuery = z.input<typeof ledgerQuerySchema>;

/** The cost lines that a client must end up with. They come from the model, so a mistake in serving pages shows. */
export function costLines(ledger: Ledger, range: LedgerQuery): CostLedgerLine[] {
  return daysOf(range).flatMap((day) =>
    ledger.day(day).cost.map(({ series, units }) => ({
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
export function usageLines(ledger: Ledger, range: LedgerQuery): UsageLedgerLine[] {
  return daysOf(range).flatMap((day) =>
    ledger.day(day).usage.map(({ series, counts }) => ({
      day: formatDay(day),
      workspace_id: series.workspaceId,
      model: series.model,
      service_tier: series.serviceTier,
      context_window: series.contextWindow,
      inference_geo: series.inferenceGeo,
      ...countFields(counts),
    })),
  );
}

function countFields(counts: Counts): CountFields {
  return {
    uncached_input_tokens: counts.uncached,
    output_tokens: counts.output,
    cache_read_input_tokens: counts.cacheRead,
    cache_creation_5m: counts.cache5m,
    cache_creation_1h: counts.cache1h,
    web_search_requests: counts.searches,
  };
}

function daysOf({ from, to }: LedgerQuery): number[] {
  const first = parseDay(from);
  return Array.from({ length: Math.max(0, parseDay(to) - first + 1) }, (_, index) => first + index);
}
