import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../simulator/simulator.ts';
import {
  BOTH,
  COST,
  USAGE,
  USAGE_BY_FIVE,
  canonical,
  costPage,
  get,
  readCost,
  readUsage,
  refusal,
  simulate,
  sum,
  usagePage,
} from './client.ts';

const MONTH = 'starting_at=2026-10-13T00:00:00Z&ending_at=2026-11-13T00:00:00Z&limit=31';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await simulate();
});
afterAll(() => simulator.close());

describe('data', () => {
  it('is the same for the same seed and clock, whatever was asked for before', async () => {
    const [left, right, other] = await Promise.all([simulate(), simulate(), simulate({ seed: 'other' })]);
    left.control.ledger({ report: 'cost', from: '2026-01-01', to: '2026-01-31' });
    const range = { from: '2026-10-01', to: '2026-11-12' };
    expect(left.control.ledger({ report: 'cost', ...range })).toEqual(
      right.control.ledger({ report: 'cost', ...range }),
    );
    expect(left.control.ledger({ report: 'usage', ...range })).toEqual(
      right.control.ledger({ report: 'usage', ...range }),
    );
    expect(left.control.organization()).toEqual(right.control.organization());
    expect(left.control.keys()).toEqual(right.control.keys());
    expect(other.control.ledger({ report: 'cost', ...range })).not.toEqual(
      left.control.ledger({ report: 'cost', ...range }),
    );
    await Promise.all([left.close(), right.close(), other.close()]);
  });

  it('has what real organizations have: null workspaces, costs other than tokens, unknown values, quiet days, huge counts', () => {
    const cost = simulator.control.ledger({ report: 'cost', from: '2025-11-01', to: '2026-11-11' });
    const usage = simulator.control.ledger({ report: 'usage', from: '2026-10-13', to: '2026-11-11' });
    const types = new Set(cost.map((line) => line.cost_type));
    expect([...types].sort()).toEqual(['agent_runtime', 'code_execution', 'session_usage', 'tokens', 'web_search']);
    expect(cost.some((line) => line.workspace_id === null)).toBe(true);
    expect(cost.some((line) => line.extra !== undefined)).toBe(true);
    expect(cost.filter((line) => line.cost_type !== 'tokens').every((line) => line.model === null)).toBe(true);
    const days = new Set(cost.map((line) => line.day));
    expect(days.has('2025-12-25')).toBe(false);
    expect(days.size).toBeLessThan(375);
    expect(days.size).toBeGreaterThan(300);
    expect(usage.some((line) => line.cache_read_input_tokens > 2 ** 31)).toBe(true);
    expect(usage.some((line) => line.service_tier === 'priority')).toBe(true);
    expect(cost.some((line) => line.service_tier === 'priority')).toBe(false);
  });

  it('has series that no earlier day has, on most days', () => {
    const seen = new Set<string>();
    let fresh = 0;
    for (const line of simulator.control.ledger({ report: 'cost', from: '2026-09-01', to: '2026-11-11' })) {
      const series = JSON.stringify({ ...line, day: '', amount_cents: '', amount_usd: '' });
      fresh += line.day >= '2026-10-13' && !seen.has(series) ? 1 : 0;
      seen.add(series);
    }
    expect(fresh).toBeGreaterThan(30);
  });

  it('has old costs of the archived workspace and none after it was archived', () => {
    const archived = simulator.control.organization().workspaces.find((workspace) => workspace.archived_at !== null);
    const days = simulator.control
      .ledger({ report: 'cost', from: '2026-10-01', to: '2026-11-12' })
      .filter((line) => line.workspace_id === archived?.id)
      .map((line) => line.day);
    expect(days.length).toBeGreaterThan(0);
    expect(days.every((day) => day < '2026-10-23')).toBe(true);
  });

  it('has about as many lines a day as asked for', async () => {
    const large = await simulate({ linesPerDay: 3_000 });
    const lines = large.control.ledger({ report: 'cost', from: '2026-11-08', to: '2026-11-08' }).length;
    expect(lines).toBeGreaterThan(2_900);
    expect(lines).toBeLessThan(3_200);
    await large.close();
  });
});

describe('the cost report', () => {
  it('served with both groupings is the ledger, line for line', async () => {
    const served = await readCost(simulator, `${MONTH}&${BOTH}`);
    const lines = [...served].flatMap(([day, rows]) =>
      rows.map(({ amount, currency, workspace_id, ...rest }) => {
        const known = ['description', 'cost_type', 'model', 'token_type', 'context_window', 'service_tier'];
        const extra = Object.keys(rest).filter((name) => ![...known, 'inference_geo'].includes(name));
        const { description, cost_type, model, token_type, context_window, service_tier, inference_geo } = rest;
        return JSON.stringify([
          day,
          workspace_id,
          ...[description, cost_type, model, token_type, context_window, service_tier, inference_geo ?? null],
          currency,
          extra.map((name) => rest[name]),
          canonical(amount),
        ]);
      }),
    );
    const ledger = simulator.control
      .ledger({ report: 'cost', from: '2026-10-13', to: '2026-11-12' })
      .map((line) =>
        JSON.stringify([
          ...[line.day, line.workspace_id, line.description, line.cost_type, line.model, line.token_type],
          ...[line.context_window, line.service_tier, line.inference_geo, line.currency],
          Object.values(line.extra ?? {}),
          line.amount_cents,
        ]),
      );
    expect(served.size).toBe(31);
    expect(lines.sort()).toEqual(ledger.sort());
    expect(new Set(lines.map((line) => line.slice(0, line.lastIndexOf(',')))).size).toBe(lines.length);
  });

  it('has the same exact total on any day, however it is grouped', async () => {
    const groupings = ['', '&group_by[]=workspace_id', '&group_by[]=description', `&${BOTH}`];
    const reads = await Promise.all(groupings.map((grouping) => readCost(simulator, `${MONTH}${grouping}`)));
    const days = [...(reads[0]?.keys() ?? [])];
    fc.assert(
      fc.property(fc.constantFrom(...days), (day) => {
        const totals = reads.map((read) => sum((read.get(day) ?? []).map(({ amount }) => amount)));
        expect(new Set(totals).size).toBe(1);
      }),
    );
    expect(reads[0]?.get('2026-11-11')).toHaveLength(1);
  });

  it('leaves every dimension null that is not grouped by', async () => {
    const ungrouped = await readCost(simulator, MONTH);
    expect(ungrouped.get('2026-11-11')?.[0]).toMatchObject({
      currency: 'USD',
      workspace_id: null,
      description: null,
      cost_type: null,
      model: null,
      token_type: null,
      context_window: null,
      service_tier: null,
      inference_geo: null,
    });
    const byWorkspace = await readCost(simulator, `${MONTH}&group_by[]=workspace_id`);
    expect(byWorkspace.get('2026-11-11')?.every((row) => row.description === null)).toBe(true);
    const byDescription = await readCost(simulator, `${MONTH}&group_by[]=description`);
    expect(byDescription.get('2026-11-11')?.every((row) => row.workspace_id === null)).toBe(true);
  });

  it('leaves inference_geo out of some rows and writes some amounts with trailing zeros', async () => {
    const rows = [...(await readCost(simulator, `${MONTH}&${BOTH}`)).values()].flat();
    expect(rows.some((row) => !('inference_geo' in row))).toBe(true);
    expect(rows.some((row) => row['inference_geo'] === null)).toBe(true);
    expect(rows.some(({ amount }) => /\.\d*0$/.test(amount))).toBe(true);
    expect(rows.every(({ amount }) => /^\d+(\.\d+)?$/.test(amount))).toBe(true);
  });

  it('orders rows differently at each read, and days from the oldest on', async () => {
    const [first, second] = await Promise.all([
      readCost(simulator, `${MONTH}&${BOTH}`),
      readCost(simulator, `${MONTH}&${BOTH}`),
    ]);
    expect([...first.keys()]).toEqual([...first.keys()].sort());
    expect(first.get('2026-11-11')).not.toEqual(second.get('2026-11-11'));
  });

  it('serves a day without cost as an empty bucket, before the history too', async () => {
    const read = await readCost(simulator, 'starting_at=2025-12-24T00:00:00Z&ending_at=2025-12-27T00:00:00Z');
    expect(read.get('2025-12-25')).toEqual([]);
    expect((await readCost(simulator, 'starting_at=2020-01-01T00:00:00Z&ending_at=2020-01-03T00:00:00Z')).size).toBe(2);
  });

  it('snaps both ends down, stops before today without an end, and never goes past today', async () => {
    const days = async (query: string): Promise<string[]> => [...(await readCost(simulator, query)).keys()];
    expect(await days('starting_at=2026-11-09T23:59:59Z&ending_at=2026-11-11T13:00:00Z')).toEqual([
      '2026-11-09',
      '2026-11-10',
    ]);
    expect(await days('starting_at=2026-11-10T00:00:00Z')).toEqual(['2026-11-10', '2026-11-11']);
    expect(await days('starting_at=2026-11-11T00:00:00Z&ending_at=2027-01-01T00:00:00Z')).toEqual([
      '2026-11-11',
      '2026-11-12',
    ]);
    expect(await days('starting_at=2026-12-01T00:00:00Z&ending_at=2026-12-03T00:00:00Z')).toEqual([]);
    expect(await days('starting_at=2026-11-10T01:00:00%2B02:00&ending_at=2026-11-11T00:00:00Z')).toEqual([
      '2026-11-09',
      '2026-11-10',
    ]);
  });

  it('serves seven buckets unless told otherwise', async () => {
    const page = costPage.parse(
      await (await get(simulator, `${COST}?starting_at=2026-10-01T00:00:00Z&ending_at=2026-11-01T00:00:00Z`)).json(),
    );
    expect(page.data).toHaveLength(7);
    expect(page.has_more).toBe(true);
  });
});

describe('paging', () => {
  it('with fewer buckets than asked for serves the same days', async () => {
    const small = await simulate({ maxBucketsPerPage: 4 });
    const page = costPage.parse(await (await get(small, `${COST}?${MONTH}`)).json());
    expect(page.data).toHaveLength(4);
    expect((await readCost(small, MONTH)).size).toBe(31);
    await small.close();
  });

  it('splits a day over pages by rows, without losing or repeating one', async () => {
    const small = await simulate({ maxRowsPerPage: 37 });
    const range = 'starting_at=2026-11-09T00:00:00Z&ending_at=2026-11-12T00:00:00Z';
    const first = costPage.parse(await (await get(small, `${COST}?${range}&${BOTH}`)).json());
    const next = costPage.parse(
      await (await get(small, `${COST}?${range}&${BOTH}&page=${first.next_page ?? ''}`)).json(),
    );
    expect(first.data).toHaveLength(1);
    expect(first.data[0]?.results).toHaveLength(37);
    expect(next.data[0]?.starting_at).toBe(first.data[0]?.starting_at);
    const read = await readCost(small, `${range}&${BOTH}`);
    const served = [...read].flatMap(([day, rows]) => rows.map((row) => ({ ...row, day })));
    const ledger = small.control.ledger({ report: 'cost', from: '2026-11-09', to: '2026-11-11' });
    expect(served).toHaveLength(ledger.length);
    expect(sum(served.map(({ amount }) => amount))).toBe(sum(ledger.map((line) => line.amount_cents)));
    expect(new Set(served.map((row) => JSON.stringify({ ...row, amount: '' }))).size).toBe(served.length);
    await small.close();
  });

  it('refuses a token once any other parameter has changed, or one it never gave', async () => {
    const range = 'starting_at=2026-10-01T00:00:00Z&ending_at=2026-11-01T00:00:00Z';
    const { next_page: token } = costPage.parse(await (await get(simulator, `${COST}?${range}`)).json());
    const page = `page=${token ?? ''}`;
    expect(
      (await get(simulator, `${COST}?ending_at=2026-11-01T00:00:00Z&starting_at=2026-10-01T00:00:00Z&${page}`)).status,
    ).toBe(200);
    for (const changed of [
      `${range}&limit=8&${page}`,
      `${range}&group_by[]=description&${page}`,
      `starting_at=2026-10-01T00:00:00Z&ending_at=2026-11-02T00:00:00Z&${page}`,
      `starting_at=2026-10-01T00:00:00Z&${page}`,
    ]) {
      expect(await refusal(await get(simulator, `${COST}?${changed}`))).toMatch(/^400 .*another query/);
    }
    expect((await get(simulator, `${USAGE}?${range}&${page}`)).status).toBe(400);
    expect(await refusal(await get(simulator, `${COST}?${range}&page=page_abc`))).toMatch(/^400 .*Invalid page token/);
  });

  it('keeps its end over midnight', async () => {
    const small = await simulate({ maxBucketsPerPage: 1 });
    const query = 'starting_at=2026-11-10T00:00:00Z';
    const first = costPage.parse(await (await get(small, `${COST}?${query}`)).json());
    small.control.clock({ advanceDays: 1 });
    const second = costPage.parse(await (await get(small, `${COST}?${query}&page=${first.next_page ?? ''}`)).json());
    expect(second.has_more).toBe(false);
    await small.close();
  });
});

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

  it('has the same counts on any day, however it is grouped and in buckets of whatever width', async () => {
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

  it('in minutes sums to the hour', async () => {
    const count = async (query: string): Promise<number> =>
      (await readUsage(simulator, query)).data
        .flatMap(({ results }) => results)
        .reduce((total, row) => total + row.uncached_input_tokens, 0);
    const hour = 'starting_at=2026-11-11T05:00:00Z&ending_at=2026-11-11T06:00:00Z';
    expect(await count(`${hour}&bucket_width=1m`)).toBe(await count(`${hour}&bucket_width=1h`));
    expect(await count(`${hour}&bucket_width=1m`)).toBeGreaterThan(0);
  });

  it('filters', async () => {
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

  it('can be told to refuse many days at once with a wide grouping', async () => {
    const narrow = await simulate({ maxWideUsageLimit: 7 });
    expect((await get(narrow, `${USAGE}?${MONTH}&${USAGE_BY_FIVE}`)).status).toBe(400);
    expect((await get(narrow, `${USAGE}?${MONTH.replace('limit=31', 'limit=7')}&${USAGE_BY_FIVE}`)).status).toBe(200);
    expect((await get(narrow, `${USAGE}?${MONTH}`)).status).toBe(200);
    await narrow.close();
  });
});
