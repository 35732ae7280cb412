import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toDay } from '../../domain/days.ts';
import { seedConnection, seedCostDay, seedUsageDay, startApi, type Api } from './support.ts';

let api: Api;
let id: string;

async function seed(days: Readonly<Record<string, string>>, connectionId = id): Promise<void> {
  for (const [day, models] of Object.entries(days)) {
    const lines = models.split(' ').map((one) => ({ model: one.slice(0, 1), amount: one.slice(1) }));
    await seedCostDay(api.db, connectionId, toDay(day), lines);
  }
}

beforeAll(async () => {
  api = await startApi();
  id = await seedConnection(api.db, { began: '2025-12-01' });
  await seed({
    '2026-01-31': 'a100',
    '2026-02-01': 'a1',
    '2026-02-28': 'a2 b5',
    '2026-03-01': 'a10 c7',
    '2026-03-28': 'a20',
    '2026-03-31': 'a40.5',
    '2026-06-29': 'a1',
    '2026-07-05': 'a2',
    '2026-07-06': 'a4',
    '2026-07-12': 'a8',
  });
});
afterAll(() => api.close());

describe('a comparison of costs', () => {
  it('has new rows and rows that are gone, and its columns add up to the totals', async () => {
    const { body } = await api.get('/v1/costs?from=2026-03-01&to=2026-03-31&compare=month&group_by=model');
    expect(body).toMatchObject({
      data: [
        { model: 'a', amount: '70.5', previous: '3', change: '67.5' },
        { model: 'b', amount: '0', previous: '5', change: '-5' },
        { model: 'c', amount: '7', previous: '0', change: '7' },
      ],
      total: '77.5',
      total_previous: '8',
      compare: { with: 'month', from: '2026-02-01', to: '2026-02-28', provisional_days: 0, missing_days: 26 },
    });
  });

  it('gives every earlier day one place: its day of the month, or the last one', async () => {
    const march = await api.get('/v1/costs?from=2026-03-01&to=2026-03-31&compare=month&group_by=day');
    expect(march.body.data).toMatchObject([
      { day: '2026-03-01', amount: '17', previous: '1' },
      { day: '2026-03-28', amount: '20', previous: '7' },
      { day: '2026-03-31', amount: '40.5', previous: '0' },
    ]);
    const february = await api.get('/v1/costs?from=2026-02-01&to=2026-03-01&compare=month&group_by=day');
    expect(february.body.data).toMatchObject([
      { day: '2026-02-01', previous: '0' },
      { day: '2026-02-28', previous: '100' },
      { day: '2026-03-01', amount: '17', previous: '1', change: '16' },
    ]);
    expect(february.body.total_previous).toBe('101');
    const april = await api.get('/v1/costs?from=2026-04-01&to=2026-04-30&compare=month&group_by=day');
    expect(april.body.data).toMatchObject([
      { day: '2026-04-01', previous: '17', change: '-17' },
      { day: '2026-04-28', previous: '20' },
      { day: '2026-04-30', amount: '0', previous: '40.5' },
    ]);
  });

  it('compares whole weeks and whole months only', async () => {
    const weeks = await api.get('/v1/costs?from=2026-07-06&to=2026-07-12&compare=previous&group_by=week');
    expect(weeks.body.data).toEqual([{ week: '2026-07-06', amount: '12', previous: '3', change: '9' }]);
    const months = await api.get('/v1/costs?from=2026-03-01&to=2026-03-31&compare=month&group_by=month');
    const april = await api.get('/v1/costs?from=2026-04-01&to=2026-04-30&compare=month&group_by=month');
    expect(april.body.data).toEqual([{ month: '2026-04', amount: '0', previous: '77.5', change: '-77.5' }]);
    expect(months.body.data).toEqual([{ month: '2026-03', amount: '77.5', previous: '8', change: '69.5' }]);
    for (const [query, path] of [
      ['from=2026-07-07&to=2026-07-12&compare=previous&group_by=week', 'query.from'],
      ['from=2026-07-06&to=2026-07-11&compare=previous&group_by=week', 'query.to'],
      ['from=2026-07-06&to=2026-07-12&compare=month&group_by=week', 'query.compare'],
      ['from=2026-03-02&to=2026-03-31&compare=year&group_by=model,month', 'query.from'],
      ['from=2026-04-01&to=2026-04-30&compare=previous&group_by=month', 'query.compare'],
    ]) {
      const { status, body } = await api.get(`/v1/costs?${query ?? ''}`);
      expect([query, status, body.errors]).toMatchObject([query, 400, [{ path }]]);
    }
  });

  it('says which comparison fits where the earlier range is not whole', async () => {
    const refused = async (query: string): Promise<unknown> => (await api.get(`/v1/costs?${query}`)).body.errors;
    expect(await refused('from=2026-04-01&to=2026-04-30&compare=previous&group_by=month')).toEqual([
      {
        path: 'query.compare',
        message:
          'leads to 2026-03-02 to 2026-03-31, which does not begin and end with a whole month; month always does',
      },
    ]);
    expect(await refused('from=2026-07-06&to=2026-07-12&compare=month&group_by=week')).toMatchObject([
      { message: expect.stringMatching(/; previous always does$/) as unknown },
    ]);
  });

  it('orders by the amount of the range, and the other rows have both', async () => {
    const { body } = await api.get(
      '/v1/costs?from=2026-03-01&to=2026-03-31&compare=month&group_by=model&order=-amount&limit=1',
    );
    expect(body).toMatchObject({
      data: [{ model: 'a' }],
      other: { rows: 2, amount: '7', previous: '5', change: '2' },
    });
  });

  it('pages like any other, with a cursor that belongs to the comparison', async () => {
    const query = 'from=2026-03-01&to=2026-03-31&group_by=model&limit=1';
    const models: unknown[] = [];
    for (let next: string | null = ''; next !== null;) {
      const { body } = await api.get(`/v1/costs?${query}&compare=month${next === '' ? '' : `&after=${next}`}`);
      models.push(...body.data.map((row) => row['model']));
      next = body.next;
      if (next !== null) expect((await api.get(`/v1/costs?${query}&after=${next}`)).status).toBe(409);
    }
    expect(models).toEqual(['a', 'b', 'c']);
  });
});

describe('a comparison of usage', () => {
  it('has the counts of both ranges, also those without a column', async () => {
    const usage = (day: string, model: string, count: bigint, hours: number) =>
      seedUsageDay(api.db, id, toDay(day), [
        { model, counts: [count, 0n, 0n, 0n, 0n, 0n], extraCounts: { hours, same: 1 } },
      ]);
    await usage('2026-05-01', 'a', 2n ** 60n, 3);
    await usage('2026-05-02', 'a', 5n, 1);
    const { body, text } = await api.get('/v1/usage?from=2026-05-02&to=2026-05-02&compare=previous&group_by=model');
    expect(text).toContain(`"previous":{"uncached_input_tokens":${2n ** 60n},`);
    expect(text).toContain(`"change":{"uncached_input_tokens":${5n - 2n ** 60n},`);
    expect(text).toContain(`"totals_previous":{"uncached_input_tokens":${2n ** 60n},`);
    expect(body.data).toMatchObject([
      { model: 'a', other_counts: { hours: 1 }, previous: { other_counts: { hours: 3 } } },
    ]);
    expect(body.data[0]?.['change']).toMatchObject({ output_tokens: 0, other_counts: { hours: -2 } });
    expect(body.data[0]?.['change']).not.toHaveProperty('other_counts.same');
  });
});
