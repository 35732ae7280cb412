import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../simulator/simulator.ts';
import { BOTH, COST, USAGE, canonical, costPage, get, readCost, errorOf, simulate, sum } from './client.ts';

const MONTH = 'starting_at=2026-10-13T00:00:00Z&ending_at=2026-11-13T00:00:00Z&limit=31';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await simulate();
});
afterAll(() => simulator.close());

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

  it('sets every dimension to null that the query does not group by', async () => {
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

  it('serves seven buckets by default', async () => {
    const page = costPage.parse(
      await (await get(simulator, `${COST}?starting_at=2026-10-01T00:00:00Z&ending_at=2026-11-01T00:00:00Z`)).json(),
    );
    expect(page.data).toHaveLength(7);
    expect(page.has_more).toBe(true);
  });
});

describe('paging', () => {
  it('with fewer buckets than the limit serves the same days', async () => {
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

  it('refuses a token with other parameters, and a token it never gave', async () => {
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
      expect(await errorOf(await get(simulator, `${COST}?${changed}`))).toMatch(/^400 .*another query/);
    }
    expect((await get(simulator, `${USAGE}?${range}&${page}`)).status).toBe(400);
    expect(await errorOf(await get(simulator, `${COST}?${range}&page=page_abc`))).toMatch(/^400 .*Invalid page token/);
  });

  it('keeps the end of the range over midnight', async () => {
    const small = await simulate({ maxBucketsPerPage: 1 });
    const query = 'starting_at=2026-11-10T00:00:00Z';
    const first = costPage.parse(await (await get(small, `${COST}?${query}`)).json());
    small.control.clock({ advanceDays: 1 });
    const second = costPage.parse(await (await get(small, `${COST}?${query}&page=${first.next_page ?? ''}`)).json());
    expect(second.has_more).toBe(false);
    await small.close();
  });
});

describe('a prerendered simulator', () => {
  it('serves the same rows, and a restated day anew', async () => {
    const options = { days: 40, workspaces: 2, models: 2 };
    const [plain, prerendered] = await Promise.all([simulate(options), simulate({ ...options, prerendered: true })]);
    const rows = async (from: Simulator): Promise<string[]> =>
      [...(await readCost(from, `${MONTH}&${BOTH}`))].map(([day, lines]) => {
        return JSON.stringify([day, ...lines.map((line) => JSON.stringify(line)).sort()]);
      });
    expect(await rows(prerendered)).toEqual(await rows(plain));
    for (const { control } of [plain, prerendered]) control.restate({ day: '2026-11-10', kind: 'add' });
    expect(await rows(prerendered)).toEqual(await rows(plain));
    await Promise.all([plain.close(), prerendered.close()]);
  });
});
