import { request as httpRequest } from 'node:http';
import { z } from 'zod';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../simulator/simulator.ts';

export const NOW = '2026-11-12T10:30:00Z';
export const COST = '/v1/organizations/cost_report';
export const USAGE = '/v1/organizations/usage_report/messages';
export const WORKSPACES = '/v1/organizations/workspaces';
export const ME = '/v1/organizations/me';
export const BOTH = 'group_by[]=workspace_id&group_by[]=description';
export const USAGE_BY_FIVE =
  'group_by[]=workspace_id&group_by[]=model&group_by[]=service_tier&group_by[]=context_window&group_by[]=inference_geo';

const text = z.string().nullable();
const costRow = z.looseObject({ amount: z.string(), currency: z.string(), workspace_id: text, description: text });
const usageRow = z.looseObject({
  uncached_input_tokens: z.number(),
  output_tokens: z.number(),
  cache_read_input_tokens: z.number(),
  cache_creation: z.strictObject({ ephemeral_1h_input_tokens: z.number(), ephemeral_5m_input_tokens: z.number() }),
  server_tool_use: z.strictObject({ web_search_requests: z.number() }),
});
const pageOf = <Row extends z.ZodType>(row: Row) =>
  z.strictObject({
    data: z.array(z.strictObject({ starting_at: z.string(), ending_at: z.string(), results: z.array(row) })),
    has_more: z.boolean(),
    next_page: text,
  });
export const costPage = pageOf(costRow);
export const usagePage = pageOf(usageRow);
export const errorReply = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string(), message: z.string() }),
  request_id: z.string().optional(),
});
export const workspaceList = z.strictObject({
  data: z.array(z.looseObject({ id: z.string(), name: z.string(), archived_at: text })),
  first_id: text,
  last_id: text,
  has_more: z.boolean(),
});

export type CostRow = z.output<typeof costRow>;
export type UsageRow = z.output<typeof usageRow>;

/** A simulator whose clock stands still. */
export async function simulate(options: SimulatorOptions = {}): Promise<Simulator> {
  return startSimulator({ now: NOW, seed: 'test', ...options });
}

/** The first key of the simulator. */
export function firstKey(simulator: Simulator): string {
  const key = simulator.control.keys()[0];
  if (key === undefined) throw new Error('the simulator has no key');
  return key.key;
}

export function headers(simulator: Simulator, more: Record<string, string> = {}): Record<string, string> {
  return {
    'x-api-key': firstKey(simulator),
    'anthropic-version': '2023-06-01',
    'user-agent': 'meterline-test/1',
    ...more,
  };
}

/** The same headers but one. */
export function without(all: Record<string, string>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter(([key]) => key !== name));
}

export async function get(simulator: Simulator, path: string, more: Record<string, string> = {}): Promise<Response> {
  return fetch(simulator.url + path, { headers: headers(simulator, more), redirect: 'manual' });
}

/** Status and message of a refusal. */
export async function refusal(reply: Response): Promise<string> {
  const { error } = errorReply.parse(await reply.json());
  return `${reply.status} ${error.type}: ${error.message}`;
}

/** Every page of a report, joined by day in the order served. */
export async function readCost(simulator: Simulator, query: string): Promise<Map<string, CostRow[]>> {
  const days = new Map<string, CostRow[]>();
  let token: string | null = null;
  do {
    const page: z.output<typeof costPage> = costPage.parse(
      await (await get(simulator, `${COST}?${query}${token === null ? '' : `&page=${token}`}`)).json(),
    );
    for (const { starting_at: at, results } of page.data) {
      const day = at.slice(0, 10);
      days.set(day, [...(days.get(day) ?? []), ...results]);
    }
    token = page.next_page;
  } while (token !== null);
  return days;
}

/** One page of usage. */
export async function readUsage(simulator: Simulator, query: string): Promise<z.output<typeof usagePage>> {
  return usagePage.parse(await (await get(simulator, `${USAGE}?${query}`)).json());
}

/** Sums cents exactly, in units of 10⁻¹² cents. */
export function sum(amounts: readonly string[]): bigint {
  return amounts.reduce((total, amount) => {
    const [whole = '0', decimals = ''] = amount.split('.');
    return total + BigInt(whole + decimals.padEnd(12, '0').slice(0, 12));
  }, 0n);
}

/** Cents without trailing zeros. */
export function canonical(amount: string): string {
  return amount.includes('.') ? amount.replace(/\.?0+$/, '') : amount;
}

/** A request that `fetch` would not send: another method, a body, headers of one's own only. */
export async function raw(
  simulator: Simulator,
  options: { method?: string; path: string; headers?: Record<string, string>; body?: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      simulator.url + options.path,
      { method: options.method ?? 'GET', headers: options.headers ?? headers(simulator), agent: false },
      (reply) => {
        reply.resume();
        reply.once('end', () => {
          resolve(reply.statusCode ?? 0);
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end(options.body);
  });
}
