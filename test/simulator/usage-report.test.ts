import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../simulator/simulator.ts';
import { USAGE, USAGE_BY_FIVE, get, readUsage, simulate, usagePage } from './client.ts';

const MONTH = 'starting_at=2026-10-13T00:00:00Z&ending_at=2026-11-13T00:00:00Z&limit=31';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await simulate();
});
afterAll(() => simulator.close());

describe('the usage report', () => {
  it('grouped by five dimensions is the ledger, line for line', async () => {
    const { data } = await readUsage(simulator, `${MONTH}&${USAGE_BY_FIVE}`);
    const served = data.flatMap(({ starting_at: at, results }) =>
      results.map((row) =>
        JSON.stringify([
          at.slice(0, 10),
          ...['workspace_id', 'model', 'service_tier', 'context_window', 'inference_geo'].map((name) => row[name]),
          ...[row.uncached_input_tokens, row.output_tokens, row.cache_read_input_tokens],
          ...[row.cache_creation.ephemeral_5m_input_tokens, row.cache_creation.ephemeral_1h_input_tokens],
          row.server_tool_use.web_search_requests,
        ]),
      ),
    );
    const ledger = simulator.control
      .ledger({ report: 'usage', from: '2026-10-13', to: '2026-11-12' })
      .map((line) => JSON.stringify(Object.values(line)));
    expect(served.sort()).toEqual(ledger.sort());
  });

  it('has the same counts each day, for any grouping and bucket width', async () => {
    const range = 'starting_at=2026-11-11T00:00:00Z&ending_at=2026-11-13T00:00:00Z';
    const groupings = [
      '',
      `&${USAGE_BY_FIVE}`,
      '&group_by[]=api_key_id&group_by[]=account_id',
      '&bucket_width=1h&limit=48',
    ];
    const totals = await Promise.all(
      groupings.map(async (grouping) => {
        const { data } = await readUsage(simulator, range + grouping);
        const total = new Map<string, number>();
        for (const { starting_at: at, results } of data) {
          for (const row of results) {
            const day = at.slice(0, 10);
            total.set(day, (total.get(day) ?? 0) + row.cache_read_input_tokens);
          }
        }
        return [...total];
      }),
    );
    expect(new Set(totals.map((total) => JSON.stringify(total))).size).toBe(1);
    expect(totals[0]).toHaveLength(2);
  });

  it('has minutes that add up to the hour', async () => {
    const count = async (query: string): Promise<number> =>
      (await readUsage(simulator, query)).data
        .flatMap(({ results }) => results)
        .reduce((total, row) => total + row.uncached_input_tokens, 0);
    const hour = 'starting_at=2026-11-11T05:00:00Z&ending_at=2026-11-11T06:00:00Z';
    expect(await count(`${hour}&bucket_width=1m`)).toBe(await count(`${hour}&bucket_width=1h`));
    expect(await count(`${hour}&bucket_width=1m`)).toBeGreaterThan(0);
  });

  it('returns only rows that pass every filter', async () => {
    const range =
      'starting_at=2026-11-11T00:00:00Z&ending_at=2026-11-12T00:00:00Z&group_by[]=model&group_by[]=service_tier';
    const model = 'claude-sonnet-4-5-20250929';
    const { data } = await readUsage(
      simulator,
      `${range}&models[]=${model}&service_tiers[]=batch&service_tiers[]=priority`,
    );
    const rows = data[0]?.results ?? [];
    expect(rows.map((row) => [row['model'], row['service_tier']]).sort()).toEqual([
      [model, 'batch'],
      [model, 'priority'],
    ]);
  });

  it('has limits of its own for each bucket width', async () => {
    const at = 'starting_at=2026-11-01T00:00:00Z&ending_at=2026-11-12T00:00:00Z';
    const buckets = async (query: string): Promise<number> =>
      usagePage.parse(await (await get(simulator, `${USAGE}?${at}&${query}`)).json()).data.length;
    expect(await buckets('bucket_width=1h')).toBe(24);
    expect(await buckets('bucket_width=1h&limit=168')).toBe(168);
    expect(await buckets('bucket_width=1m')).toBe(60);
    expect((await get(simulator, `${USAGE}?${at}&bucket_width=1h&limit=169`)).status).toBe(400);
    expect((await get(simulator, `${USAGE}?${at}&bucket_width=1m&limit=1441`)).status).toBe(400);
  });

  it('can refuse many days at once with three or more dimensions', async () => {
    const narrow = await simulate({ maxWideUsageLimit: 7 });
    expect((await get(narrow, `${USAGE}?${MONTH}&${USAGE_BY_FIVE}`)).status).toBe(400);
    expect((await get(narrow, `${USAGE}?${MONTH.replace('limit=31', 'limit=7')}&${USAGE_BY_FIVE}`)).status).toBe(200);
    expect((await get(narrow, `${USAGE}?${MONTH}`)).status).toBe(200);
    await narrow.close();
  });
});
