import { z } from 'zod';
import { addDecimals, toDecimal } from '../domain/money.ts';
import type { JsonClient } from './http.ts';

const COST_GROUPS = [
  ...['day', 'workspace', 'model', 'token_type', 'context_window'],
  ...['service_tier', 'inference_geo', 'cost_type', 'description', 'currency'],
];
const USAGE_GROUPS = ['day', 'workspace', 'model', 'service_tier', 'context_window', 'inference_geo'];
const COUNTS = [
  ...(['uncached_input_tokens', 'output_tokens', 'cache_read_input_tokens'] as const),
  ...(['cache_creation_5m', 'cache_creation_1h', 'web_search_requests'] as const),
] as const;
const PAGE = '10000';

/** An absent field and a null one mean the same. */
const text = z.string().nullable().default(null);
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
  data: z.array(z.object({ ...common, ...costOnly, workspace, amount: z.string() })),
  total: z.string(),
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
const costLedger = z.array(z.object({ ...common, ...costOnly, workspace_id: text, amount_usd: z.string() }));
const usageLedger = z.array(z.object({ ...common, workspace_id: text }).extend(counts.shape));

/** How many lines each day has, and what each of them says: the key is everything but the amount or the counts. */
interface Side {
  lines: Map<string, string>;
  perDay: Map<string, number>;
}

export interface LedgerCheck {
  costLines: number;
  usageLines: number;
  days: number;
  /** USD, exact. */
  total: string;
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

/** Compares every line of every day that Meterline serves with the simulator's own books. */
export async function checkLedger(options: CheckOptions): Promise<LedgerCheck> {
  const { simulator, from, to } = options;
  const range = { from, to };
  const [stored, usageStored, perDay, cost, usage] = await Promise.all([
    storedCosts(options),
    storedUsage(options),
    storedLineCounts(options),
    simulator.get('/_control/ledger', { report: 'cost', ...range }, costLedger),
    simulator.get('/_control/ledger', { report: 'usage', ...range }, usageLedger),
  ]);
  const costSide = sideOf(cost, (line) => [costKey(line, line.workspace_id), line.amount_usd]);
  const usageSide = sideOf(usage, (line) => [usageKey(line, line.workspace_id), countsText(line)]);
  const total = addDecimals(cost.filter((line) => line.currency === 'USD').map((line) => toDecimal(line.amount_usd)));
  return {
    costLines: cost.length,
    usageLines: usage.length,
    days: perDay.cost.size,
    total,
    differences: [
      ...differences('cost', { lines: stored.lines, perDay: perDay.cost }, costSide),
      ...differences('usage', { lines: usageStored, perDay: perDay.usage }, usageSide),
      ...(toDecimal(stored.total) === total
        ? []
        : [{ report: 'cost' as const, day: to, text: `total: ${stored.total}, the ledger has ${total}` }]),
    ],
  };
}

async function storedCosts(options: CheckOptions): Promise<{ lines: Map<string, string>; total: string }> {
  const lines = new Map<string, string>();
  let total = '0';
  for (let after: string | null = ''; after !== null;) {
    const page: z.output<typeof costPage> = await options.api.get(
      '/v1/costs',
      reportQuery(options, COST_GROUPS, after),
      costPage,
    );
    for (const row of page.data) lines.set(costKey(row, row.workspace.id), toDecimal(row.amount));
    total = page.total;
    after = page.next;
  }
  return { lines, total };
}

async function storedUsage(options: CheckOptions): Promise<Map<string, string>> {
  const lines = new Map<string, string>();
  for (let after: string | null = ''; after !== null;) {
    const page: z.output<typeof usagePage> = await options.api.get(
      '/v1/usage',
      reportQuery(options, USAGE_GROUPS, after),
      usagePage,
    );
    for (const row of page.data) lines.set(usageKey(row, row.workspace.id), countsText(row));
    after = page.next;
  }
  return lines;
}

function reportQuery(options: CheckOptions, groups: readonly string[], after: string): Record<string, string> {
  const { connectionId, from, to } = options;
  return {
    connection_id: connectionId,
    from,
    to,
    group_by: groups.join(','),
    limit: PAGE,
    ...(after === '' ? {} : { after }),
  };
}

/** Lines that differ only in fields no reference names are one row above; here each is counted. */
async function storedLineCounts(
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
type CommonLine = Record<'model' | 'context_window' | 'service_tier' | 'inference_geo', Dimension> & { day: string };
type CostDimensions = CommonLine & Record<'token_type' | 'cost_type' | 'description' | 'currency', Dimension>;

function usageKey(line: CommonLine, workspaceId: Dimension): string {
  return JSON.stringify(dimensionsOf(line, workspaceId));
}

function costKey(line: CostDimensions, workspaceId: Dimension): string {
  const { token_type, cost_type, description, currency } = line;
  return JSON.stringify([...dimensionsOf(line, workspaceId), token_type, cost_type, description, currency]);
}

/** The day comes first, see dayOfKey. */
function dimensionsOf(line: CommonLine, workspaceId: Dimension): Dimension[] {
  const { day, model, context_window, service_tier, inference_geo } = line;
  return [day, workspaceId, model, context_window, service_tier, inference_geo];
}

function countsText(line: z.output<typeof counts>): string {
  return COUNTS.map((name) => line[name]).join(' ');
}

function sideOf<Line extends { day: string }>(lines: readonly Line[], read: (line: Line) => [string, string]): Side {
  const side: Side = { lines: new Map(), perDay: new Map() };
  for (const line of lines) {
    const [key, value] = read(line);
    const known = side.lines.get(key);
    side.lines.set(key, known === undefined ? canonicalCounts(value) : addEach(known, value));
    side.perDay.set(line.day, (side.perDay.get(line.day) ?? 0) + 1);
  }
  return side;
}

function canonicalCounts(value: string): string {
  return value.split(' ').map(toDecimal).join(' ');
}

function addEach(one: string, other: string): string {
  const others = other.split(' ');
  return one
    .split(' ')
    .map((value, index) => addDecimals([toDecimal(value), toDecimal(others[index] ?? '0')]))
    .join(' ');
}

/** What differs between two sides, in the order of the days. */
export function differences(report: Difference['report'], stored: Side, ledger: Side): Difference[] {
  const found: Difference[] = [];
  for (const [key, value] of ledger.lines) {
    const has = stored.lines.get(key);
    if (has !== value)
      found.push({ report, day: dayOfKey(key), text: `${key}: ${has ?? 'missing'}, the ledger has ${value}` });
  }
  for (const [key, value] of stored.lines) {
    if (!ledger.lines.has(key)) {
      found.push({ report, day: dayOfKey(key), text: `${key}: ${value}, the ledger has no such line` });
    }
  }
  for (const day of new Set([...stored.perDay.keys(), ...ledger.perDay.keys()])) {
    const [has, expected] = [stored.perDay.get(day) ?? 0, ledger.perDay.get(day) ?? 0];
    if (has !== expected) found.push({ report, day, text: `${day}: ${has} lines, the ledger has ${expected}` });
  }
  return found.sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0));
}

function dayOfKey(key: string): string {
  return key.slice(2, 12);
}
