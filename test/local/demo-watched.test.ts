import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assessAnomalies } from '../../domain/anomalies/assess.ts';
import { percentOf, reaches } from '../../domain/budgets/budget.ts';
import { addDays, daysIn, startOfDayMs, toDay, type Day } from '../../domain/days.ts';
import { addDecimals, toDecimal } from '../../domain/money.ts';
import { anomalyLines } from '../../local/demo/anomaly.ts';
import { amountFor, budgetLines } from '../../local/demo/budget.ts';
import { forecastLines } from '../../local/demo/forecast.ts';
import { sampleArguments, surpriseDay } from '../../local/demo/organization.ts';
import { eventSchema } from '../../simulator/organization/events.ts';
import { startSimulator } from '../../simulator/simulator.ts';

const BEGIN = toDay('2026-11-30');

describe('the sample organization of the demo', () => {
  test('has its surprise on the last working day before today', () => {
    const days = daysIn({ from: toDay('2026-11-30'), to: toDay('2026-12-07') });
    expect(days.map(surpriseDay)).toEqual([
      '2026-11-27',
      ...['2026-11-30', '2026-12-01', '2026-12-02', '2026-12-03', '2026-12-04', '2026-12-04', '2026-12-04'],
    ]);
  });

  test(
    'shows the surprise as an anomaly of one workspace, whatever day of the year it is',
    { timeout: 120_000 },
    async () => {
      const without: Day[] = [];
      for (let ago = 0; ago < 365; ago += 11) {
        const today = addDays(BEGIN, ago);
        const found = await foundOn(today);
        const surprise = found.filter(
          ({ direction, firstDay, lastDay, cause }) =>
            direction === 'up' &&
            firstDay <= surpriseDay(today) &&
            lastDay >= surpriseDay(today) &&
            cause.length === 1 &&
            cause[0]?.dimension === 'workspace' &&
            cause[0].value === 'Production',
        );
        if (surprise.length !== 1) without.push(today);
      }
      expect(without).toEqual([]);
    },
  );
});

/** What is found in the 30 settled days that the demo has when it begins on a day. */
async function foundOn(today: Day) {
  const [, , json = ''] = sampleArguments(today);
  const organizations = [{ daysOff: false, events: [eventSchema.parse(JSON.parse(json))] }];
  const simulator = await startSimulator({ now: startOfDayMs(today), organizations });
  try {
    const names = new Map(simulator.control.organization().workspaces.map(({ id, name }) => [id, name]));
    const range = { from: addDays(today, -30), to: addDays(today, -1) };
    const lines = simulator.control.ledger({ report: 'cost', ...range });
    const days = daysIn(range).map((day) => {
      const groups = lines.flatMap((line) => {
        if (line.day !== day || !('amount_usd' in line)) return [];
        const workspace = line.workspace_id === null ? null : (names.get(line.workspace_id) ?? null);
        const dimensions = { workspace, model: line.model ?? null, cost_type: line.cost_type };
        return [{ dimensions, usd: toDecimal(line.amount_usd), tokens: null }];
      });
      return { day, total: addDecimals(groups.map(({ usd }) => usd)), groups };
    });
    return assessAnomalies({ days, incidents: [], sensitivity: 'medium', today }).map(({ incident }) => incident);
  } finally {
    await simulator.close();
  }
}

test('the budget of the demo has reached 80 % and not 85 %, whatever was spent', () => {
  fc.assert(
    fc.property(fc.double({ min: 2_000, max: 10_000_000, noNaN: true }), (spent) => {
      const text = spent.toFixed(2);
      const percent = percentOf(toDecimal(text), toDecimal(amountFor(text)));
      return reaches(percent, toDecimal('80')) && !reaches(percent, toDecimal('85'));
    }),
  );
});

test('a budget is a table, and says what it told and when it is used up', () => {
  const budget = {
    ...{ name: 'Demo budget', current: { from: '2026-11-10', to: '2026-12-09' } },
    ...{ amount: '1000', spent: '812.345', percent: '81.23', days_to_exhaustion: 4 },
    forecast: { mean: '1203.4', reason: null, made_on: '2026-11-30' },
    thresholds: [{ percent: '80', fired_at: '2026-11-30T10:00:00.000Z', notice_id: 'n' }],
  };
  expect(budgetLines(budget)).toEqual([
    'Budget, to the cent                     amount     spent    expected   percent spent',
    '────────────────────────────────────────────────────────────────────────────────────',
    'Demo budget, 2026-11-10 to 2026-12-09   1,000.00   812.35   1,203.40           81.23',
    '',
    '80 % of it is spent, and that is told once.',
    'At this pace it is used up in 3 days.',
  ]);
  const untold = {
    ...budget,
    days_to_exhaustion: null,
    thresholds: [{ percent: '80', fired_at: null, notice_id: null }],
  };
  expect(budgetLines(untold).slice(3)).toEqual(['', 'It told nothing.']);
});

test('a forecast shows the next days and the whole with their bands, and how good it was', () => {
  const day = (name: string, kind: 'actual' | 'forecast') => ({
    day: name,
    kind,
    low: '80',
    mean: '100',
    high: '130.5',
  });
  const forecast = {
    ...{ from: '2026-11-01', through: '2026-11-30', reason: null },
    backtest: { origins: 16, error: 0.0417, coverage: 0.81 },
    days: [day('2026-11-27', 'actual'), day('2026-11-28', 'forecast'), day('2026-11-29', 'forecast')],
    total: { low: '2900', mean: '3000', high: '3100' },
  };
  const lines = forecastLines(forecast);
  expect(lines[2]).toMatch(/^2026-11-28 +80\.00 +100\.00 +130\.50$/);
  expect(lines[4]).toMatch(/^2026-11-01 to 2026-11-30, with what is spent +2,900\.00 +3,000\.00 +3,100\.00$/);
  expect(lines.at(-1)).toBe(
    'Tried on 16 days of its own past, the total was off by 4 %, and the band held 81 % of them.',
  );
  expect(forecastLines({ ...forecast, total: null, reason: 'A forecast needs 14 settled days.' })).toEqual([
    'No forecast: A forecast needs 14 settled days.',
  ]);
});

test('an anomaly shows its cause on each of its days, and what happened in words', () => {
  const lines = anomalyLines({
    sentence: 'It cost more.',
    cause: [{ dimension: 'workspace', name: 'Production' }],
    days: [{ day: '2026-11-27', expected: '100', high: '120', observed: '401.005' }],
  });
  expect(lines[2]).toMatch(/^workspace Production, 2026-11-27 +100\.00 +120\.00 +401\.01$/);
  expect(lines.at(-1)).toBe('It cost more.');
});
