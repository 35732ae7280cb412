import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { NOW, drawCosts, drawUsage, storeCost, storeLedger, storeUsage, type Ledger } from './ledger.ts';
import { compareKeys, costsOf, usagesOf, type Answer } from './oracle.ts';
import { addressOf, type Query } from './query.ts';
import { exactJson } from './replies.ts';

let api: Api;
let ledger: Ledger;
let ids: string[];
beforeAll(async () => {
  api = await startApi({ now: () => NOW });
  ledger = await storeLedger(api.db);
  ids = ledger.map(({ id }) => id);
});
afterAll(() => api.close());

/** It takes a hundredth of this, unless the machine has much else to do. */
const LONGEST_MS = 120_000;

/** The connection that reads all the time, and the days that change. */
const READING = 'Other';
const DAYS = ['2026-03-23', '2026-03-26', '2026-03-28', '2026-03-29', '2026-03-30'];

const ASKED: Query = {
  ...{ report: 'costs', from: '2026-03-23', to: '2026-03-31' },
  ...{ groupBy: ['workspace', 'model', 'token_type', 'day'], filters: [], order: 'key', compare: null, limit: 9 },
};
const QUERIES: readonly Query[] = [
  ASKED,
  { ...ASKED, groupBy: ['currency', 'tag.team', 'description', 'inference_geo', 'token_type'], limit: 7 },
  { ...ASKED, compare: 'previous', to: '2026-03-26', groupBy: ['model', 'description', 'context_window'], limit: 5 },
  { ...ASKED, groupBy: ['month', 'workspace', 'model', 'cost_type', 'currency'], limit: 8 },
  { ...ASKED, report: 'usage', groupBy: ['model', 'service_tier', 'day'], limit: 4 },
];

const ANSWERS = { costs: costsOf, usage: usagesOf };

/** Writes a day of a report anew, as a sync would, and gives the ledger that has it. */
async function writeDay(day: string, seed: number): Promise<void> {
  const reading = ledger.find(({ name }) => name === READING);
  if (reading === undefined) throw new Error('the ledger has no such connection');
  const [cost, usage] = [drawCosts(seed), drawUsage(seed)];
  await storeCost(api.db, reading.id, day, cost);
  await storeUsage(api.db, reading.id, day, usage);
  const written = {
    ...reading,
    cost: new Map([...reading.cost, [day, cost]]),
    usage: new Map([...reading.usage, [day, usage]]),
  };
  ledger = ledger.map((one) => (one === reading ? written : one));
}

function answerOf(asked: Query): Answer {
  if (asked.report === 'changes') throw new Error('changes have a page of their own');
  return ANSWERS[asked.report](ledger, asked);
}

const writes = fc.array(fc.option(fc.record({ day: fc.constantFrom(...DAYS), seed: fc.nat() }), { freq: 2 }), {
  minLength: 40,
  maxLength: 40,
});

describe('pages, while syncs write between them,', () => {
  it.each(QUERIES)(
    'go on behind the last row with what is stored by then, and say that a sync wrote: $report by $groupBy',
    async (asked) => {
      await fc.assert(
        fc.asyncProperty(writes, async (drawn) => {
          let last: { readonly next: string; readonly key: readonly (string | null)[]; readonly asOf: unknown } | null =
            null;
          for (const write of drawn) {
            if (write !== null) await writeDay(write.day, write.seed);
            const { text } = await api.get(addressOf(asked, ids, last === null ? {} : { after: last.next }));
            const { data, next, as_of: asOf, ...said } = exactJson(text);
            const { rows, totals } = answerOf(asked);
            const start: number =
              last === null ? 0 : rows.findIndex(({ key }) => compareKeys(key, last?.key ?? []) > 0);
            const end: number = start < 0 ? 0 : start + asked.limit;
            expect(data).toEqual(start < 0 ? [] : rows.slice(start, end).map(({ row }) => row));
            expect(said).toMatchObject(totals);
            const isOfQuery = write !== null && asked.from <= write.day && write.day <= asked.to;
            if (last !== null) expect(asOf !== last.asOf).toBe(isOfQuery);
            if (typeof next !== 'string') break;
            last = { next, key: rows[end - 1]?.key ?? [], asOf };
          }
        }),
        { numRuns: 2, seed: 7 },
      );
    },
    LONGEST_MS,
  );

  it('have no row twice, and each row that was there all the time, while a sync writes without pause', async () => {
    let isDone = false;
    const asked = { ...ASKED, limit: 3 };
    const keys = (): string[] => answerOf(asked).rows.map(({ key }) => JSON.stringify(key));
    const always = new Set(keys());
    const writing = (async () => {
      for (let seed = 0; !isDone; seed += 1) {
        await writeDay(DAYS[seed % DAYS.length] ?? '', seed);
        const now = new Set(keys());
        for (const key of always) if (!now.has(key)) always.delete(key);
      }
    })();
    const seen: string[] = [];
    for (let after = {}; ;) {
      const { data, next } = exactJson((await api.get(addressOf(asked, ids, after))).text);
      for (const row of data as Record<string, unknown>[]) seen.push(keyOfRow(row, asked.groupBy));
      if (typeof next !== 'string') break;
      after = { after: next };
    }
    isDone = true;
    await writing;
    expect(new Set(seen).size).toBe(seen.length);
    expect(always.size).toBeGreaterThan(10);
    expect([...always].filter((key) => !seen.includes(key))).toEqual([]);
  });
});

function keyOfRow(row: Readonly<Record<string, unknown>>, groupBy: readonly string[]): string {
  return JSON.stringify(
    groupBy.map((group) => {
      const field = row[group];
      return typeof field === 'object' && field !== null && 'id' in field ? field.id : field;
    }),
  );
}
