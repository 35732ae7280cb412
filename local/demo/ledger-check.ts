import { z } from 'zod';
import { ZERO, addDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import type { JsonClient } from '../http.ts';

const COST_GROUPS = [
  ...['day', 'workspace', 'model', 'token_type', 'context_window'],
  ...['service_tier', 'inference_geo', 'cost_type', 'description', 'currency'],
];
const USAGE_GROUPS = ['day', 'workspace', 'model', 'service_tier', 'context_window', 'inference_geo'];
const COUNTS = [
  ...(['uncached_input_tokens', 'output_tokens', 'cache_read_input_tokens'] as const),
  ...(['cache_creation_5m', 'cache_creation_1h', 'web_search_requests'] as const),
] as const;
const MAX_ROWS = '10000';

/** An absent field means the same as a null one. */
const text = z.string().nullable().default(null);
const amount = z.string().transform(toDecimal);
const counts = z.object({
  uncached_input_tokens: z.number(),
  output_tokens: z.number(),
  cache_read_input_tokens: z.number(),
  cache_creation_5m: z.number(),
  cache_creation_1h: z.number(),
  web_search_requests: z.number(),
});
const common = { day: z.string(), model: text, context_window: text, service_tier: text, inference_geo: text };
const costOnly = { token_type: text, cost_type: text, description: text, currency: text };
const workspace = z.object({ id: z.string().nullable() });

const costPage = z.object({
  data: z.array(z.object({ ...common, ...costOnly, workspace, amount })),
  total: amount,
  next: z.string().nullable(),
});
const usagePage = z.object({
  data: z.array(z.object({ ...common, workspace }).extend(counts.shape)),
  next: z.string().nullable(),
});
const coverage = z.object({
  data: z.array(
    z.object({ day: z.string(), lines: z.number().nullable(), usage: z.object({ lines: z.number().nullable() }) }),
  ),
});
const costLedger = z.array(z.object({ ...common, ...costOnly, workspace_id: text, amount_usd: amount }));
const usageLedger = z.array(z.object({ ...common, workspace_id: text }).extend(counts.shape));

/** A line of one side. */
interface Line {
  readonly day: string;
  /** The dimensions. */
  readonly key: string;
  /** The amount, or each of the counts. */
  readonly values: readonly Decimal[];
}

interface Side {
  /** By key. */
  lines: Map<string, Line>;
  /** How many lines each day has. */
  perDay: Map<string, number>;
}

export interface LedgerCheck {
  costLines: number;
  usageLines: number;
  days: number;
  /** In USD. */
  total: Decimal;
  differences: Difference[];
}

export interface Difference {
  report: 'cost' | 'usage';
  day: string;
  text: string;
}

export interface CheckOptions {
  api: JsonClient;
  simulator: JsonClient;
  connectionId: string;
  from: string;
  to: string;
}

/**
 * Compares every line of every day that Meterline serves with the simulator's ledger. It reads through the public API
 * and not from Postgres, so that a mistake in the API shows as well.
 */
export async function checkLedger(options: CheckOptions): Promise<LedgerCheck> {
  const { simulator, from, to } = options;
  const [served, servedUsage, perDay, cost, usage] = await Promise.all([
    servedCosts(options),
    servedUsageLines(options),
    servedLineCounts(options),
    simulator.get('/_control/ledger', { report: 'cost', from, to }, costLedger),
    simulator.get('/_control/ledger', { report: 'usage', from, to }, usageLedger),
  ]);
  const costSide = sideOf(cost.map((line) => costLine(line, line.workspace_id, line.amount_usd)));
  const usageSide = sideOf(usage.map((line) => usageLine(line, line.workspace_id, line)));
  const total = addDecimals(cost.filter((line) => line.currency === 'USD').map((line) => line.amount_usd));
  return {
    costLines: cost.length,
    usageLines: usage.length,
    days: perDay.cost.size,
    total,
    differences: [
      ...differences('cost', { lines: served.lines, perDay: perDay.cost }, costSide),
      ...differences('usage', { lines: servedUsage, perDay: perDay.usage }, usageSide),
      ...(served.total === total
        ? []
        : [{ report: 'cost' as const, day: to, text: `total: ${served.total}, the ledger has ${total}` }]),
    ],
  };
}

async function servedCosts(options: CheckOptions): Promise<{ lines: Map<string, Line>; total: Decimal }> {
  const lines = new Map<string, Line>();
  let total = ZERO;
  for await (const page of pagesOf(options, '/v1/costs', COST_GROUPS, costPage)) {
    for (const row of page.data) addLine(lines, costLine(row, row.workspace.id, row.amount));
    total = page.total;
  }
  return { lines, total };
}

async function servedUsageLines(options: CheckOptions): Promise<Map<string, Line>> {
  const lines = new Map<string, Line>();
  for await (const page of pagesOf(options, '/v1/usage', USAGE_GROUPS, usagePage)) {
    for (const row of page.data) addLine(lines, usageLine(row, row.workspace.id, row));
  }
  return lines;
}

async function* pagesOf<T extends { next: string | null }>(
  { api, connectionId, from, to }: CheckOptions,
  path: string,
  groups: readonly string[],
  schema: z.ZodType<T>,
): AsyncGenerator<T> {
  const query = { connection_id: connectionId, from, to, group_by: groups.join(','), limit: MAX_ROWS };
  for (let after: string | null = ''; after !== null;) {
    const page: T = await api.get(path, after === '' ? query : { ...query, after }, schema);
    yield page;
    after = page.next;
  }
}

/** The API adds up lines that differ only in fields that no reference names. The coverage counts each of them. */
async function servedLineCounts(
  options: CheckOptions,
): Promise<{ cost: Map<string, number>; usage: Map<string, number> }> {
  const { connectionId, from, to } = options;
  const { data } = await options.api.get(`/v1/connections/${connectionId}/coverage`, { from, to }, coverage);
  return {
    cost: new Map(data.map(({ day, lines }) => [day, lines ?? 0])),
    usage: new Map(data.map(({ day, usage }) => [day, usage.lines ?? 0])),
  };
}

type Dimension = string | null;
type CommonDimensions = Record<'model' | 'context_window' | 'service_tier' | 'inference_geo', Dimension> & {
  day: string;
};
type CostDimensions = CommonDimensions & Record<'token_type' | 'cost_type' | 'description' | 'currency', Dimension>;

function costLine(line: CostDimensions, workspaceId: Dimension, usd: Decimal): Line {
  const { day, token_type, cost_type, description, currency } = line;
  const dimensions = [...commonDimensions(line, workspaceId), token_type, cost_type, description, currency];
  return { day, key: JSON.stringify(dimensions), values: [usd] };
}

function usageLine(line: CommonDimensions, workspaceId: Dimension, counted: z.output<typeof counts>): Line {
  const values = COUNTS.map((name) => toDecimal(String(counted[name])));
  return { day: line.day, key: JSON.stringify(commonDimensions(line, workspaceId)), values };
}

function commonDimensions(line: CommonDimensions, workspaceId: Dimension): Dimension[] {
  const { day, model, context_window, service_tier, inference_geo } = line;
  return [day, workspaceId, model, context_window, service_tier, inference_geo];
}

function sideOf(lines: readonly Line[]): Side {
  const side: Side = { lines: new Map(), perDay: new Map() };
  for (const line of lines) {
    addLine(side.lines, line);
    side.perDay.set(line.day, (side.perDay.get(line.day) ?? 0) + 1);
  }
  return side;
}

/** Adds a line. Lines with the same key become one, with the sums of their values. */
function addLine(lines: Map<string, Line>, line: Line): void {
  const other = lines.get(line.key)?.values;
  const values = line.values.map((value, index) => addDecimals([value, other?.[index] ?? ZERO]));
  lines.set(line.key, { ...line, values });
}

function differences(report: Difference['report'], served: Side, ledger: Side): Difference[] {
  const found: Difference[] = [];
  for (const { day, key, values } of ledger.lines.values()) {
    const [has, expected] = [served.lines.get(key)?.values.join(' ') ?? 'missing', values.join(' ')];
    if (has !== expected) found.push({ report, day, text: `${key}: ${has}, the ledger has ${expected}` });
  }
  for (const { day, key, values } of served.lines.values()) {
    if (ledger.lines.has(key)) continue;
    found.push({ report, day, text: `${key}: ${values.join(' ')}, the ledger has no such line` });
  }
  for (const day of new Set([...served.perDay.keys(), ...ledger.perDay.keys()])) {
    const [has, expected] = [served.perDay.get(day) ?? 0, ledger.perDay.get(day) ?? 0];
    if (has !== expected) found.push({ report, day, text: `${day}: ${has} lines, the ledger has ${expected}` });
  }
  return found.sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0));
}
