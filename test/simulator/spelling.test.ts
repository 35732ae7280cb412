import { afterEach, describe, expect, it } from 'vitest';
import type { Simulator, SimulatorOptions, SpellingInput } from '../../simulator/simulator.ts';
import {
  BOTH,
  COST,
  USAGE,
  USAGE_BY_FIVE,
  costPage,
  get,
  readCost,
  simulate,
  usagePage,
  type CostRow,
} from './client.ts';

const RANGE = 'starting_at=2026-11-09T00:00:00Z&ending_at=2026-11-12T00:00:00Z';
const DAY = 'starting_at=2026-11-11T00:00:00Z&ending_at=2026-11-12T00:00:00Z';
const SMALL = { days: 40, workspaces: 3, models: 3, linesPerDay: 200 };

const started: Simulator[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((simulator) => simulator.close()));
});

async function start(options: SimulatorOptions): Promise<Simulator> {
  const simulator = await simulate({ ...SMALL, ...options });
  started.push(simulator);
  return simulator;
}

async function textOf(simulator: Simulator, path: string): Promise<string> {
  return (await get(simulator, path)).text();
}

const ADDED = ['billing', 'billing_entity'];

/** The rows of each day as a set, with their fields in one order, and without the field that `extra` adds. */
async function rowsOf(simulator: Simulator): Promise<string[]> {
  const canonical = (row: CostRow): string =>
    JSON.stringify(
      Object.entries(row)
        .filter(([name]) => !ADDED.includes(name))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  return [...(await readCost(simulator, `${RANGE}&${BOTH}`))].flatMap(([day, rows]) =>
    rows.map((row) => `${day} ${canonical(row)}`).sort(),
  );
}

const SPELLINGS: SpellingInput[] = [
  { spacing: 'spaced' },
  { spacing: 'pretty' },
  { keys: 'by-day' },
  { keys: 'by-row' },
  { extra: 'flat' },
  { extra: 'nested' },
  { escapes: true },
  { rows: 'sorted' },
  { spacing: 'pretty', keys: 'by-row', extra: 'nested', escapes: true, rows: 'sorted' },
];

describe.each([false, true])('with pages made beforehand: %s', (prerendered) => {
  it.each(SPELLINGS)('pages spelled with %j say the same', async (spelling) => {
    const options = { descriptions: 'quoted', prerendered } as const;
    const [usual, other] = await Promise.all([start(options), start({ ...options, spelling })]);
    expect(await rowsOf(other)).toEqual(await rowsOf(usual));
    const usage = async (simulator: Simulator): Promise<number> => {
      const page = usagePage.parse(JSON.parse(await textOf(simulator, `${USAGE}?${DAY}&${USAGE_BY_FIVE}`)));
      return page.data.flatMap(({ results }) => results).reduce((sum, row) => sum + row.output_tokens, 0);
    };
    expect(await usage(other)).toBe(await usage(usual));
  });

  it('spaced and pretty pages are spelled as Python and JSON.stringify spell them', async () => {
    const spaced = await textOf(
      await start({ prerendered, spelling: { spacing: 'spaced' } }),
      `${COST}?${DAY}&${BOTH}`,
    );
    expect(spaced.replace(/"(?:[^"\\]|\\.)*"/g, '""')).not.toMatch(/[,:][^ ]|[[{] |\n/);
    const pretty = await textOf(
      await start({ prerendered, spelling: { spacing: 'pretty' } }),
      `${COST}?${DAY}&${BOTH}`,
    );
    expect(pretty).toBe(JSON.stringify(JSON.parse(pretty), null, 2));
  });
});

describe('a spelling', () => {
  const fieldsOf = async (spelling: SpellingInput): Promise<string[][]> => {
    const page = costPage.parse(JSON.parse(await textOf(await start({ spelling }), `${COST}?${RANGE}&${BOTH}`)));
    return page.data.map(({ results }) => [...new Set(results.map((row) => Object.keys(row).join()))]);
  };

  it('orders the fields alike in all rows, alike on a day, or anew in each row', async () => {
    const usual = await fieldsOf({});
    // Some rows have no inference_geo, and a few an unknown field.
    expect(Math.max(...usual.map((orders) => orders.length))).toBeLessThan(5);
    const byDay = await fieldsOf({ keys: 'by-day' });
    expect(byDay[0]?.[0]).not.toBe(usual[0]?.[0]);
    expect(byDay[0]?.[0]).not.toBe(byDay[1]?.[0]);
    expect(Math.max(...byDay.map((orders) => orders.length))).toBeLessThan(5);
    const byRow = await fieldsOf({ keys: 'by-row' });
    expect(Math.min(...byRow.map((orders) => orders.length))).toBeGreaterThan(100);
  });

  it('adds a text or an object that no reference names', async () => {
    const page = async (extra: 'flat' | 'nested'): Promise<string> =>
      textOf(await start({ spelling: { extra } }), `${COST}?${DAY}&${BOTH}`);
    expect(await page('flat')).toContain('"billing_entity":"main"');
    expect(await page('nested')).toContain('"terms":{"days":30,"note":null}');
  });

  it('escapes slashes and what is not ASCII', async () => {
    const options = { descriptions: 'quoted', spelling: { escapes: true } } as const;
    const text = await textOf(await start(options), `${COST}?${DAY}&${BOTH}`);
    expect(text).toContain(String.raw`\"\u00c9quipe R\u0026D\" C:\\Projets \/ \u2603`);
    expect(text).not.toMatch(/[^\x20-\x7e]/);
  });

  it('keeps sorted rows in one order at each read', async () => {
    const simulator = await start({ spelling: { rows: 'sorted' } });
    const read = async (): Promise<string> => textOf(simulator, `${COST}?${DAY}&${BOTH}`);
    expect(await read()).toBe(await read());
    const rows = costPage.parse(JSON.parse(await read())).data.flatMap(({ results }) => results);
    const workspaces = rows.map((row) => row.workspace_id ?? '');
    expect(workspaces).toEqual([...workspaces].sort());
  });

  it('can change while the simulator runs, unless its pages were made beforehand', async () => {
    const simulator = await start({});
    expect(await textOf(simulator, `${COST}?${DAY}`)).not.toContain('": ');
    simulator.control.spelling({ spacing: 'spaced' });
    expect(await textOf(simulator, `${COST}?${DAY}`)).toContain('": ');
    const prerendered = await start({ prerendered: true });
    expect(() => prerendered.control.spelling({ spacing: 'spaced' })).toThrow('keep their spelling');
  });
});

describe('series', () => {
  it('that live for three days occur on two or three days, with usage of their own', async () => {
    const simulator = await simulate({ linesPerDay: 600, newSeriesPerDay: 40, seriesLifeDays: 3, unknowns: false });
    started.push(simulator);
    const range = { from: '2026-10-13', to: '2026-11-12' };
    const cost = simulator.control.ledger({ report: 'cost', ...range });
    const usage = simulator.control.ledger({ report: 'usage', ...range });
    const days = (lines: readonly object[]): number[] => {
      const counts = new Map<string, number>();
      for (const line of lines) {
        const series = JSON.stringify({ ...line, day: '', amount_cents: '', amount_usd: '' });
        counts.set(series, (counts.get(series) ?? 0) + 1);
      }
      return [...counts.values()];
    };
    const short = days(cost).filter((count) => count <= 3).length;
    expect(cost.length / 31).toBeGreaterThan(650);
    expect(cost.length / 31).toBeLessThan(800);
    expect(short / days(cost).length).toBeGreaterThan(0.97);
    const daysOfModels = new Map<string, Set<string>>();
    for (const { model, day } of usage) daysOfModels.set(model, (daysOfModels.get(model) ?? new Set()).add(day));
    const lives = [...daysOfModels.values()].map(({ size }) => size);
    expect(lives.length).toBeGreaterThan(31);
    expect(lives.filter((life) => life <= 3).length / lives.length).toBeGreaterThan(0.8);
    // The first day of the history has series that began before it.
    const first = simulator.control.ledger({ report: 'cost', from: '2025-10-09', to: '2025-10-09' });
    expect(first.length).toBeGreaterThan(600);
  });

  it('have descriptions of a thousand characters if asked', async () => {
    const simulator = await start({ descriptions: 'long' });
    const [line] = simulator.control.ledger({ report: 'cost', from: '2026-11-11', to: '2026-11-11' });
    expect(line?.description.length).toBeGreaterThan(900);
  });

  it('without days of history leave every day empty', async () => {
    const simulator = await start({ days: 0 });
    expect(simulator.control.ledger({ report: 'cost', from: '2025-11-13', to: '2026-11-12' })).toEqual([]);
  });
});
