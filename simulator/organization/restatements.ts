import { z } from 'zod';
import { NO_COUNTS, mapCounts, type CostRow, type Counts, type UsageRow } from './day.ts';
import { isDay } from '../days.ts';
import { UNITS_PER_CENT, parseCents } from './money.ts';
import type { Organization } from './organization.ts';
import { hashText } from '../random.ts';
import { apiKeyIdsOf, costWorkspaceId, makeCostSeries } from './series.ts';

const day = z.string().refine(isDay, 'must be a day such as 2026-01-31');
const decimal = z
  .union([z.string(), z.number()])
  .transform(String)
  .refine((text) => /^-?\d+(\.\d{1,12})?$/.test(text), 'must be a number with at most twelve decimals');
const instant = z
  .union([z.string(), z.number(), z.date()])
  .transform((value) => new Date(value).getTime())
  .refine((ms) => !Number.isNaN(ms), 'must be a time');
/** The factor 1 in the units of `parseCents`. */
const ONE = UNITS_PER_CENT;
/** About 1.23 cents. */
const ADDED_UNITS = 1_234_567_890_123n;
const nullableText = z.string().nullable().optional();

/** A correction of a day. */
export const restatementSchema = z.strictObject({
  day,
  kind: z.enum(['scale', 'add', 'remove', 'empty', 'fill', 'split', 'currency']),
  organization: z.string().optional(),
  report: z.enum(['cost', 'usage', 'both']).default('cost'),
  /** How many rows. The default is all for `scale`, one for `add`, `remove` and `currency`, and five for `fill`. */
  rows: z.int().positive().optional(),
  factor: decimal.default('1.1'),
  /** In cents: the amount of each added row, or how much `split` moves. */
  amount: decimal.optional(),
  currency: z.string().default('EUR'),
  /** Fields of the added cost row. The simulator makes up the others. */
  row: z
    .strictObject({
      workspaceId: nullableText,
      description: z.string().optional(),
      costType: z.string().optional(),
      model: nullableText,
      tokenType: nullableText,
      contextWindow: nullableText,
      serviceTier: nullableText,
      inferenceGeo: nullableText,
      currency: z.string().optional(),
      extra: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
  /** Takes effect once the simulator's clock reaches this time. The default is at once. */
  at: instant.optional(),
});

/** A day whose data is late, in whole or in part. */
export const latenessSchema = z.strictObject({
  day,
  organization: z.string().optional(),
  report: z.enum(['cost', 'usage', 'both']).default('both'),
  /** The share of the rows that is hidden, 0 to 1. */
  part: z.number().min(0).max(1).default(1),
  /** The rows show once the simulator's clock reaches this time. The default is when they are released. */
  until: instant.optional(),
});

export type RestatementInput = z.input<typeof restatementSchema>;
export type LatenessInput = z.input<typeof latenessSchema>;
export type Restatement = z.output<typeof restatementSchema> & { readonly id: number };
export type Lateness = z.output<typeof latenessSchema>;

/** The cost rows of a day after a restatement. */
export function restateCost(rows: readonly CostRow[], change: Restatement, organization: Organization): CostRow[] {
  switch (change.kind) {
    case 'scale': {
      const factor = parseCents(change.factor);
      const end = change.rows ?? rows.length;
      return rows.map((row, index) => (index < end ? { ...row, units: (row.units * factor) / ONE } : row));
    }
    case 'add':
      return [...rows, ...addedCost(change, change.rows ?? 1, organization)];
    case 'fill':
      return [...rows, ...addedCost(change, change.rows ?? 5, organization)];
    case 'remove':
      return rows.slice(change.rows ?? 1);
    case 'empty':
      return [];
    case 'split': {
      const [from, to, ...others] = rows;
      if (from === undefined || to === undefined) return [...rows];
      const moved = change.amount === undefined ? from.units / 3n : parseCents(change.amount);
      return [{ ...from, units: from.units - moved }, { ...to, units: to.units + moved }, ...others];
    }
    case 'currency': {
      const end = change.rows ?? 1;
      return rows.map((row, index) =>
        index < end ? { ...row, series: makeCostSeries({ ...row.series, currency: change.currency }) } : row,
      );
    }
  }
}

/** The usage rows of a day after a restatement. */
export function restateUsage(rows: readonly UsageRow[], change: Restatement, organization: Organization): UsageRow[] {
  switch (change.kind) {
    case 'scale': {
      const factor = parseCents(change.factor);
      const end = change.rows ?? rows.length;
      return rows.map((row, index) => (index < end ? { ...row, counts: scaleCounts(row.counts, factor) } : row));
    }
    case 'add':
      return [...rows, ...addedUsage(change, change.rows ?? 1, organization)];
    case 'fill':
      return [...rows, ...addedUsage(change, change.rows ?? 5, organization)];
    case 'remove':
      return rows.slice(change.rows ?? 1);
    case 'empty':
      return [];
    case 'split': {
      const [from, to, ...others] = rows;
      if (from === undefined || to === undefined) return [...rows];
      const moved = Math.floor(from.counts.output / 3);
      return [
        { ...from, counts: { ...from.counts, output: from.counts.output - moved } },
        { ...to, counts: { ...to.counts, output: to.counts.output + moved } },
        ...others,
      ];
    }
    case 'currency':
      return [...rows];
  }
}

function addedCost(change: Restatement, count: number, organization: Organization): CostRow[] {
  const workspaceId = addedWorkspaceId(organization);
  const model = organization.models[0];
  const given = Object.fromEntries(Object.entries(change.row ?? {}).filter(([, value]) => value !== undefined));
  return Array.from({ length: count }, (_, index) => ({
    series: makeCostSeries({
      workspaceId,
      description: `${model?.label ?? 'Claude'} Usage - Input Tokens (restated ${change.id}-${index + 1})`,
      model: model?.id ?? null,
      tokenType: 'uncached_input_tokens',
      contextWindow: '0-200k',
      serviceTier: 'standard',
      inferenceGeo: 'global',
      ...given,
    }),
    units: change.amount === undefined ? ADDED_UNITS * BigInt(index + 1) : parseCents(change.amount),
  }));
}

function addedUsage(change: Restatement, count: number, organization: Organization): UsageRow[] {
  const workspaceId = addedWorkspaceId(organization);
  return Array.from({ length: count }, (_, index) => {
    const model = `claude-restated-${change.id}-${index + 1}`;
    return {
      series: {
        workspaceId,
        model,
        serviceTier: 'standard',
        contextWindow: '0-200k',
        inferenceGeo: 'global',
        apiKeyIds: apiKeyIdsOf(workspaceId),
        hash: hashText(model),
      },
      counts: { ...NO_COUNTS, uncached: 1_000 * (index + 1), output: 100 * (index + 1) },
    };
  });
}

function scaleCounts(counts: Counts, factor: bigint): Counts {
  return mapCounts(counts, (count) => Number((BigInt(count) * factor) / ONE));
}

/** The workspace of added rows: the first one besides the default workspace. */
function addedWorkspaceId({ workspaces }: Organization): string | null {
  const workspace = workspaces[1] ?? workspaces[0];
  return workspace === undefined ? null : costWorkspaceId(workspace);
}
