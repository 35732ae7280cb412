import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LargeDay } from '../../anthropic/report.ts';
import { addDays, daysIn, splitRange, toDay, type Day } from '../../domain/days.ts';
import { tokensOf, type UsageLine } from '../support/lines.ts';
import type { Report } from '../../domain/lines.ts';
import { addDecimals } from '../../domain/money.ts';
import { pageReaderHere } from '../../pages/page-reader.ts';
import { readCostDays, readCostTotals, readRows, readUsageDays, readUsageTotals } from '../support/pages.ts';
import {
  REQUEST_ID,
  MONTH,
  TODAY,
  WEEK,
  allDays,
  asked,
  failureOf,
  given,
  page,
  spellCost,
  spellUsage,
  trueCost,
  trueUsage,
  upstream,
  type Upstream,
} from './support.ts';

const DAY = toDay('2026-11-03');
const ONE_DAY = { from: DAY, to: DAY };
const ROW = { currency: 'USD', amount: '150', workspace_id: null, description: 'x' };

describe('whatever the pages of a report', () => {
  let up: Upstream;
  beforeAll(async () => {
    up = await upstream();
  });
  afterAll(() => up.close());

  const paging = fc.record({
    maxBucketsPerPage: fc.option(fc.integer({ min: 1, max: 9 })),
    maxRowsPerPage: fc.option(fc.integer({ min: 1, max: 90 })),
    maxWideUsageLimit: fc.option(fc.integer({ min: 1, max: 9 })),
  });
  const window = fc
    .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 4 }))
    .map(([from, length]) => ({ from: addDays(MONTH.from, from), to: addDays(MONTH.from, from + length) }));

  it('each day comes once, oldest first, with exactly its lines', async () => {
    await fc.assert(
      fc.asyncProperty(paging, window, async (limits, { from, to: asked }) => {
        up.simulator.control.paging(limits);
        const range = { from, to: asked < TODAY ? asked : TODAY };
        const cost = await allDays(readCostDays(up.reader(), range));
        expect(cost.map(({ day }) => day)).toEqual(daysIn(range));
        expect(spellCost(cost)).toEqual(trueCost(up, range));
        const usage = await allDays(readUsageDays(up.reader(), range));
        expect(usage.map(({ day }) => day)).toEqual(daysIn(range));
        expect(spellUsage(usage)).toEqual(trueUsage(up, range));
        const totals = await Promise.all([readCostTotals(up.reader(), range), readUsageTotals(up.reader(), range)]);
        expect(totals).toEqual([
          totalsOf(cost, (lines) => addDecimals(lines.map(({ amount }) => amount))),
          totalsOf(usage, (lines) => String(lines.reduce((sum, line) => sum + tokensOf(line), 0n))),
        ]);
      }),
      { numRuns: 25 },
    );
  });

  it('a month takes one request', async () => {
    up.simulator.control.paging({ maxBucketsPerPage: null, maxRowsPerPage: null, maxWideUsageLimit: null });
    up.simulator.control.resetCounters();
    expect(spellCost(await allDays(readCostDays(up.reader(), MONTH)))).toEqual(trueCost(up, MONTH));
    expect(asked(up.simulator)).toMatchObject([{ limit: '31', from: MONTH.from, status: 200 }]);
  });
});

function totalsOf<Line>(
  days: readonly { day: Day; lines: readonly Line[] }[],
  total: (lines: readonly Line[]) => string,
): Record<string, string> {
  return Object.fromEntries(days.map(({ day, lines }) => [day, total(lines)]));
}

describe('a page of too many days', () => {
  it('that is refused is followed by smaller pages, and each day still comes once', async () => {
    const up = await upstream({ simulator: { maxWideUsageLimit: 2 } });
    const usage = await allDays(readUsageDays(up.reader(), MONTH));
    expect(usage.map(({ day }) => day)).toEqual(daysIn(MONTH));
    expect(spellUsage(usage)).toEqual(trueUsage(up, MONTH));
    const limits = asked(up.simulator).map(({ limit, status }) => `${limit ?? ''} ${status}`);
    expect(limits.slice(0, 3)).toEqual(['31 400', '7 400', '2 200']);
    expect(limits.slice(3).every((limit) => limit === '2 200')).toBe(true);
    expect(limits).toHaveLength(2 + Math.ceil(31 / 2));
    await up.close();
  });

  it('that is larger than the cap is followed by smaller pages, and each day still comes once', async () => {
    const up = await upstream({ simulator: { linesPerDay: 60 }, maxReplyBytes: 100_000 });
    const reader = up.reader();
    const cost = await allDays(readCostDays(reader, MONTH));
    expect(cost.map(({ day }) => day)).toEqual(daysIn(MONTH));
    expect(spellCost(cost)).toEqual(trueCost(up, MONTH));
    expect(asked(up.simulator).map(({ limit }) => limit)).toEqual(expect.arrayContaining(['31', '7', '2']));
    await up.close();
  });

  it('that would take too much memory is cut off, and the next page has as many days as were received', async () => {
    const up = await upstream({ simulator: { linesPerDay: 8_000, days: 31 } });
    const reader = up.reader();
    const days = { from: addDays(TODAY, -9), to: TODAY };
    const cost = await allDays(readCostDays(reader, days));
    expect(spellCost(cost)).toEqual(trueCost(up, days));
    const limits = asked(up.simulator).map(({ limit }) => Number(limit));
    expect(limits[0]).toBe(10);
    expect(limits[1]).toBeGreaterThan(1);
    expect(limits.length).toBeLessThan(8);
    // What was left was not read to its end.
    expect(reader.traffic.bytes).toBeLessThan(10 * 8_000 * 400 + 9 * 2 ** 20);
    await up.close();
  });

  it('of one day that leaves no memory for another page is left to a query for that day alone', async () => {
    const rows = Array.from({ length: 40_001 }, () => ROW);
    const days = { from: DAY, to: addDays(DAY, 1) };
    await expect(allDays(readCostDays(given(page({ [DAY]: rows }, 'a')), days))).rejects.toThrow(LargeDay);
    const [alone] = await allDays(readCostDays(given(page({ [DAY]: rows })), ONE_DAY));
    expect(alone?.lines.map(({ amount }) => amount)).toEqual(['60001.5']);
    // One that goes on is still one day.
    const halves = given(page({ [DAY]: rows }, 'a'), page({ [DAY]: [ROW] }));
    const [whole] = await allDays(readCostDays(halves, ONE_DAY));
    expect(whole?.lines.map(({ amount }) => amount)).toEqual(['60003']);
  });

  it('is not asked for if days are known to have many lines', async () => {
    const up = await upstream();
    for (const [lines, limit] of [
      [600, '31'],
      [10_000, '2'],
      [90_000, '1'],
    ] as const) {
      up.simulator.control.resetCounters();
      expect(spellCost(await allDays(readCostDays(up.reader(), MONTH, lines)))).toEqual(trueCost(up, MONTH));
      expect(asked(up.simulator)[0]).toMatchObject({ limit });
    }
    await up.close();
  });

  it('is not asked for as long as nothing is known of its days: the first one is asked for alone, and tells', async () => {
    for (const [linesPerDay, limits] of [
      [8_000, ['1', '2', '2']],
      [20, ['1', '4']],
    ] as const) {
      const up = await upstream({ simulator: { linesPerDay, newSeriesPerDay: 0, days: 9 } });
      const days = { from: addDays(TODAY, -8), to: addDays(TODAY, -4) };
      expect(spellCost(await allDays(readCostDays(up.reader(), days, 0)))).toEqual(trueCost(up, days));
      expect(asked(up.simulator).map(({ limit }) => limit)).toEqual(limits);
      await up.close();
    }
  });

  it('is not asked for, nor one of the second day, if the first day leaves no memory for another page', async () => {
    const rows = Array.from({ length: 40_001 }, () => ROW);
    const days = { from: DAY, to: addDays(DAY, 1) };
    const replies = [page({ [DAY]: rows })];
    await expect(allDays(readCostDays(given(...replies), days, 0))).rejects.toThrow(LargeDay);
  });

  it('that waits for its turn is in memory alone, and the next one is asked for after that', async () => {
    const up = await upstream();
    const reader = up.reader();
    const here = pageReaderHere();
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    let wait = (): void => undefined;
    const waits = new Promise<void>((resolve) => (wait = resolve));
    const turn = (): Promise<void> => {
      wait();
      return begun;
    };
    const pages = { ...here, open: (report: Report) => ({ ...here.open(report), turn }) };
    const read = allDays(readCostDays(reader, WEEK, 20_000, pages));
    await waits;
    await new Promise((resolve) => setImmediate(resolve));
    expect(reader.traffic.requests).toBe(1);
    begin();
    expect((await read).map(({ day }) => day)).toEqual(daysIn(WEEK));
    expect(reader.traffic.requests).toBe(daysIn(WEEK).length);
    await up.close();
  });

  it('that is refused in the middle is followed by the first day that was not yielded yet', async () => {
    const up = await upstream({ simulator: { maxBucketsPerPage: 4 } });
    up.simulator.control.fault({ kind: 'status', status: 400, report: 'cost', page: 3 });
    const cost = await allDays(readCostDays(up.reader(), MONTH));
    expect(cost.map(({ day }) => day)).toEqual(daysIn(MONTH));
    expect(spellCost(cost)).toEqual(trueCost(up, MONTH));
    // Eight days came; the last of them could have gone on, so it is read again.
    expect(asked(up.simulator)[3]).toMatchObject({ limit: '7', from: addDays(MONTH.from, 7) });
    await up.close();
  });

  it('ends the read if a single day is too large or refused', async () => {
    const up = await upstream({ maxReplyBytes: 2 ** 20 });
    up.simulator.control.fault({ kind: 'huge_page', bytes: 2 ** 21, times: 'always' });
    expect(await failureOf(allDays(readCostDays(up.reader(), MONTH)))).toMatchObject({
      code: 'reply_too_large',
      detail:
        'the reply of /v1/organizations/cost_report has 2 MB, which is more than the 1 MB of METERLINE_MAX_REPLY_MB',
    });
    up.simulator.control.clearFaults();
    up.simulator.control.fault({ kind: 'status', status: 400, times: 'always' });
    expect(await failureOf(allDays(readCostDays(up.reader(), MONTH)))).toMatchObject({ code: 'upstream_refused' });
    expect(asked(up.simulator).map(({ limit }) => limit)).toEqual(['31', '7', '2', '1', '31', '7', '2', '1']);
    await up.close();
  });

  it('is not made smaller after any other refusal', async () => {
    const up = await upstream();
    for (const status of [401, 402, 403, 404, 409, 429, 500]) {
      up.simulator.control.resetCounters();
      up.simulator.control.fault({ kind: 'status', status });
      await failureOf(allDays(readCostDays(up.reader(), MONTH)));
      expect(up.simulator.control.requests().total, String(status)).toBe(1);
    }
    await up.close();
  });
});

describe('a page that contradicts itself', () => {
  let up: Upstream;
  beforeEach(async () => {
    up = await upstream({ simulator: { maxBucketsPerPage: 2 } });
  });
  afterEach(() => up.close());

  it.each([
    ['cyclic_page', 'the report names a next page that was read already', 2],
    ['null_page', 'the report has more pages and names no next page', 1],
    ['wrong_shape', 'the report does not have the documented form (data: invalid_type)', 1],
    ['truncated_json', 'the reply is cut short or is not JSON', 1],
  ] as const)('(%s) is invalid, and is neither followed nor believed', async (kind, detail, requests) => {
    up.simulator.control.fault({ kind, times: 'always' });
    for (const read of [readCostDays, readUsageDays]) {
      up.simulator.control.resetCounters();
      expect(await failureOf(allDays<unknown>(read(up.reader(), WEEK)))).toMatchObject({
        code: 'upstream_invalid',
        detail,
        requestId: REQUEST_ID,
      });
      expect(up.simulator.control.requests().total).toBe(requests);
    }
  });

  it('that is an HTML page instead did not come from Anthropic, and fails no single day', async () => {
    up.simulator.control.fault({ kind: 'html_ok', times: 'always' });
    for (const read of [readCostDays, readUsageDays]) {
      expect(await failureOf(allDays<unknown>(read(up.reader(), WEEK)))).toMatchObject({ code: 'network_refused' });
    }
  });

  it.each(['NaN', 'Infinity', '-Infinity', '', '1e5x', '1,5', ' 1', '0x10', 12.5, '1e300', '1'.repeat(199)])(
    'with the amount %j is invalid, grouped and not',
    async (amount) => {
      for (const read of [() => allDays(readCostDays(up.reader(), WEEK)), () => readCostTotals(up.reader(), WEEK)]) {
        up.simulator.control.fault({ kind: 'bad_amount', amount });
        expect(await failureOf(read())).toMatchObject({
          code: 'upstream_invalid',
          detail: 'an amount is not a decimal number in text',
          requestId: REQUEST_ID,
        });
      }
    },
  );

  it.each([
    ['gives a day that was not asked for', page({ [addDays(DAY, 1)]: [] })],
    ['gives a day twice, with another between', page({ '2026-11-03': [], '2026-11-04': [], '2026-11-05': [] })],
    ['gives a day out of order', page({ [addDays(DAY, -1)]: [] })],
    ['starts a bucket within a day', { data: [{ starting_at: `${DAY}T01:00:00Z`, results: [] }], has_more: false }],
    ['starts a bucket nowhere', { data: [{ starting_at: '2026-02-30T00:00:00Z', results: [] }], has_more: false }],
    ['has a row that is not an object', page({ [DAY]: [null] })],
    ['does not say whether there is more', { data: [] }],
  ])('(%s) is invalid', async (_what, reply) => {
    expect((await failureOf(allDays(readCostDays(given(reply), ONE_DAY)))).code).toBe('upstream_invalid');
  });

  it('may repeat a line: both count', async () => {
    const [once] = await allDays(readCostDays(up.reader(), ONE_DAY));
    up.simulator.control.fault({ kind: 'duplicate_lines', report: 'cost', times: 'always' });
    const [twice] = await allDays(readCostDays(up.reader(), ONE_DAY));
    const changed = (twice?.lines ?? []).flatMap((line, index) => {
      const before = once?.lines[index];
      expect(line.dimensions).toEqual(before?.dimensions);
      return before === undefined || before.amount === line.amount ? [] : [{ before: before.amount, now: line.amount }];
    });
    expect(twice?.lines).toHaveLength(once?.lines.length ?? 0);
    expect(changed.map(({ now }) => now)).toEqual(changed.map(({ before }) => addDecimals([before, before])));
    expect(changed).toHaveLength(1);
  });

  it('may leave out a day: that day had nothing', async () => {
    up.simulator.control.fault({ kind: 'missing_bucket', report: 'cost' });
    const read = await allDays(readCostDays(up.reader(), WEEK));
    expect(read.map(({ day }) => day)).toEqual(daysIn(WEEK));
    expect(read[0]?.lines).toEqual([]);
    expect(spellCost(read)).toEqual(trueCost(up, { from: addDays(WEEK.from, 1), to: WEEK.to }));
  });
});

describe('a day that goes on on the next page', () => {
  it('is one day, even with more lines than a call can have arguments', async () => {
    const rows = Array.from({ length: 150_000 }, (_, index) => ({ ...ROW, description: `x${index}` }));
    const [read, ...others] = await allDays(
      readCostDays(given(page({ [DAY]: [ROW] }, 'a'), page({ [DAY]: rows }, 'b'), page({ [DAY]: [ROW] })), ONE_DAY),
    );
    expect(read?.lines).toHaveLength(150_001);
    expect(read?.lines.filter(({ amount }) => amount !== '1.5')).toEqual([
      { dimensions: { currency: 'USD', description: 'x' }, amount: '3' },
    ]);
    expect(others).toEqual([]);
  });
});

describe('a row', () => {
  const costOf = async (row: unknown): Promise<unknown> =>
    allDays(readCostDays(given(page({ [DAY]: [row] })), ONE_DAY));
  const usageOf = async (row: unknown): Promise<unknown> =>
    allDays(readUsageDays(given(page({ [DAY]: [row] })), ONE_DAY));

  it('of cost is in dollars, and has every field that was reported', async () => {
    const row = { ...ROW, amount: '83391.528230', cost_type: 'quantum', priority: 7, tags: { a: ['b', null] } };
    expect(await costOf(row)).toEqual([
      {
        day: DAY,
        lines: [
          {
            amount: '833.9152823',
            dimensions: {
              currency: 'USD',
              description: 'x',
              cost_type: 'quantum',
              priority: 7,
              tags: { a: ['b', null] },
            },
          },
        ],
      },
    ]);
  });

  it('in another currency is read, and is in no total in dollars', async () => {
    const rows = [ROW, { ...ROW, currency: 'EUR', amount: '999' }, { ...ROW, currency: null, amount: '-0.5' }];
    const [read] = await allDays(readCostDays(given(page({ [DAY]: rows })), ONE_DAY));
    const spelled = read?.lines.map(({ amount, dimensions }) => `${JSON.stringify(dimensions['currency'])} ${amount}`);
    // No currency means dollars.
    expect(spelled?.sort()).toEqual(['"EUR" 9.99', '"USD" 1.495']);
    expect(await readCostTotals(given(page({ [DAY]: rows })), ONE_DAY)).toEqual({ [DAY]: '1.495' });
  });

  it('of usage has its nested counts and its dimensions, also the unknown ones', async () => {
    const row = {
      uncached_input_tokens: 2 ** 31,
      output_tokens: Number.MAX_SAFE_INTEGER,
      cache_read_input_tokens: null,
      cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4, ephemeral_1d_input_tokens: 5 },
      server_tool_use: { web_search_requests: 6, code: { runs: 7 } },
      workspace_id: 'w',
      service_tier: 'flex_discount',
      speed: 'fast',
      preview: true,
      account_id: null,
    };
    expect(await usageOf(row)).toEqual([
      {
        day: DAY,
        lines: [
          {
            counts: {
              uncached_input_tokens: 2 ** 31,
              output_tokens: Number.MAX_SAFE_INTEGER,
              cache_read_input_tokens: 0,
              cache_creation_5m: 3,
              cache_creation_1h: 4,
              web_search_requests: 6,
            },
            extraCounts: { 'cache_creation.ephemeral_1d_input_tokens': '5', 'server_tool_use.code.runs': '7' },
            dimensions: {
              workspace_id: 'w',
              service_tier: 'flex_discount',
              speed: 'fast',
              preview: true,
            },
          },
        ],
      },
    ]);
  });

  it.each([-1, 1.5, 2 ** 53, '5', true, []])('of usage with the count %j is invalid', async (output_tokens) => {
    expect((await failureOf(usageOf({ output_tokens }))).code).toBe('upstream_invalid');
  });

  const WHOLE = {
    uncached_input_tokens: 1200,
    output_tokens: 340,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 0 },
    server_tool_use: { web_search_requests: 1 },
    workspace_id: 'wrkspc_0000000000000000000000A1',
    model: 'claude-sonnet-4-5-20250929',
    service_tier: 'standard',
    context_window: '0-200k',
    inference_geo: 'global',
    api_key_id: null,
  };
  const linesOf = async (...rows: unknown[]): Promise<UsageLine[]> =>
    (await allDays(readUsageDays(given(page({ [DAY]: rows })), ONE_DAY))).flatMap(({ lines }) => lines);

  it.each([0, -0, null])('of usage with a new counter of %j equals the row without it', async (none) => {
    const odd = {
      ...WHOLE,
      code_review_requests: none,
      cache_creation: { ...WHOLE.cache_creation, x_tokens: none },
    };
    const digestOf = (row: unknown): unknown => readRows('usage', [JSON.stringify(row)]).days[0]?.content.digest;
    expect(digestOf(odd)).toEqual(digestOf(WHOLE));
    expect((await linesOf(odd)).map(({ extraCounts }) => extraCounts)).toEqual([{}]);
  });

  it('of usage counts unknown tokens, in lines and in totals, by their dotted path', async () => {
    const row = { ...WHOLE, cache_creation: { ...WHOLE.cache_creation, ephemeral_24h_input_tokens: 500 } };
    const lines = await linesOf(row);
    expect(lines.map(({ extraCounts }) => extraCounts)).toEqual([
      { 'cache_creation.ephemeral_24h_input_tokens': '500' },
    ]);
    expect(lines.map(tokensOf)).toEqual([2050n]);
    expect(await readUsageTotals(given(page({ [DAY]: [row] })), ONE_DAY)).toEqual({ [DAY]: '2050' });
  });

  it.each([
    ['tokens in text', { x: { thinking_tokens: '500' } }, 'x.thinking_tokens is not a count'],
    ['less than no tokens', { thinking_tokens: -1 }, 'thinking_tokens is not a count'],
    ['a part of a token', { thinking_tokens: 0.5 }, 'thinking_tokens is not a count'],
    ['a counter past 2^53', { x_requests: 2 ** 53 }, 'x_requests is too large to be read exactly'],
    ['a count twice', { x: { requests: 1 }, 'x.requests': 2 }, 'a row gives a count twice'],
    ['a known count twice', { 'server_tool_use.web_search_requests': 2 }, 'a row gives a count twice'],
  ])('of usage with %s is invalid instead of becoming a wrong number', async (_what, fields, detail) => {
    expect(await failureOf(linesOf({ ...WHOLE, ...fields }))).toMatchObject({ code: 'upstream_invalid', detail });
  });

  it('of usage may have texts with names of tokens, and other counts with decimals', async () => {
    const [line] = await linesOf({ ...WHOLE, max_tokens: '0-200k', hours: 0.1 });
    expect(line).toMatchObject({ dimensions: { max_tokens: '0-200k' }, extraCounts: { hours: '0.1' } });
  });

  it('of an undocumented kind is read, and so is one with an undocumented field', async () => {
    const up = await upstream({ simulator: { unknowns: true } });
    const row = { costType: 'moon_phase', tokenType: 'dreamt_tokens', extra: { new_dimension: 'kept' } };
    up.simulator.control.restate({ day: DAY, kind: 'add', amount: '12.5', row });
    const [read] = await allDays(readCostDays(up.reader(), ONE_DAY));
    expect(read?.lines.find(({ dimensions }) => dimensions['cost_type'] === 'moon_phase')).toMatchObject({
      amount: '0.125',
      dimensions: { token_type: 'dreamt_tokens', new_dimension: 'kept' },
    });
    expect(spellCost(read === undefined ? [] : [read])).toEqual(trueCost(up, ONE_DAY));
    await up.close();
  });
});

describe('a correction', () => {
  it.each(['scale', 'add', 'remove', 'empty', 'fill', 'split', 'currency'] as const)(
    'of the kind %s is read as it stands, and the ungrouped total agrees with the lines',
    async (kind) => {
      const up = await upstream();
      for (const report of ['cost', 'usage'] as const) up.simulator.control.restate({ day: DAY, kind, report });
      const cost = await allDays(readCostDays(up.reader(), ONE_DAY));
      expect(spellCost(cost)).toEqual(trueCost(up, ONE_DAY));
      const dollars = cost.flatMap(({ lines }) => lines.filter(({ dimensions }) => dimensions['currency'] === 'USD'));
      expect((await readCostTotals(up.reader(), ONE_DAY))[DAY]).toBe(addDecimals(dollars.map(({ amount }) => amount)));
      expect(spellUsage(await allDays(readUsageDays(up.reader(), ONE_DAY)))).toEqual(trueUsage(up, ONE_DAY));
      await up.close();
    },
  );
});

describe('a year', () => {
  it('is read month by month', async () => {
    const up = await upstream({ simulator: { linesPerDay: 3 } });
    const year = { from: addDays(TODAY, -364), to: TODAY };
    const read: string[] = [];
    for (const window of splitRange(year)) read.push(...spellCost(await allDays(readCostDays(up.reader(), window))));
    expect(read.sort()).toEqual(trueCost(up, year));
    expect(up.simulator.control.requests().total).toBe(12);
    await up.close();
  });
});
