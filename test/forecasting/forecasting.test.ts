import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BudgetDay } from '../../domain/budgets/state.ts';
import { addDays, toDay, type Day } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import {
  ForecastingLostError,
  forecastingHere,
  forecastingThreads,
  type Forecasting,
} from '../../forecasting/forecasting.ts';

const PROGRAM = new URL('../../dist/forecasting/thread.js', import.meta.url);
const LAST: Day = '2026-07-20';
const PERIOD = { from: toDay('2026-07-01'), to: toDay('2026-07-31') };

const days: BudgetDay[] = Array.from({ length: 90 }, (_, index) => ({
  day: addDays(LAST, index - 89),
  amount: toDecimal(String(10 + (index % 7))),
  state: 'final',
  isRead: true,
  isSettled: true,
}));
const groups = [
  { spent: toDecimal('200'), recent: toDecimal('300') },
  { spent: toDecimal('50'), recent: toDecimal('60') },
];
const asked = { days, period: PERIOD, groups, most: 1 };
const replay = {
  budget: {
    period: 'month' as const,
    amount: toDecimal('300'),
    thresholds: [
      { of: 'actual' as const, percent: toDecimal('50'), usd: null },
      { of: 'forecast' as const, percent: toDecimal('100'), usd: null },
    ],
  },
  days,
  range: { from: addDays(LAST, -50), to: LAST },
};

/** Threads that do this with each request. */
function threadsThat(does: string): Forecasting {
  const program = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', (asked) => { ${does} });`;
  return forecastingThreads(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
}

let threads: Forecasting;
beforeEach(() => {
  if (!existsSync(PROGRAM)) throw new Error('build the program first: npm run build');
  threads = forecastingThreads(PROGRAM);
});
afterEach(() => threads.close());

describe('the threads that forecast', () => {
  it('answer what the calling thread would', async () => {
    const here = forecastingHere();
    expect(await threads.ahead(asked)).toEqual(await here.ahead(asked));
    const told = await threads.replay(replay);
    expect(told).toEqual(await here.replay(replay));
    expect(told.length).toBeGreaterThan(1);
  });

  it('answer each of many requests with its own answer', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map((most) => threads.ahead({ ...asked, most })));
    expect(answers.map(({ groups: shown }) => shown.length)).toEqual([1, 2, 2, 2]);
  });

  it('do not hold up the calling thread', async () => {
    const busy = threadsThat('const end = Date.now() + 1000; while (Date.now() < end);');
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const lost = expect(busy.ahead(asked)).rejects.toThrow(ForecastingLostError);
    await expect.poll(() => turns).toBeGreaterThan(20);
    clearInterval(timer);
    await busy.close();
    await lost;
  });

  it.each([
    ['process.exit(3)', 'it ended'],
    ['throw new Error("a bug")', 'a bug'],
  ])('that end by %s fail what they were asked, say so, and start anew', async (does, why) => {
    const broken = threadsThat(does);
    for (let time = 0; time < 2; time += 1) {
      const answer = broken.ahead(asked);
      await expect(answer).rejects.toThrow(ForecastingLostError);
      await expect(answer).rejects.toThrow(why);
    }
    await broken.close();
  });

  it('that fail without ending say what failed', async () => {
    const failing = threadsThat('parentPort.postMessage({ no: asked.no, kind: "failed", message: "a bug" })');
    await expect(failing.replay(replay)).rejects.toThrow('The thread that forecasts failed: a bug');
    await failing.close();
  });

  it('that are closed fail what they were asked, and closing twice is no fault', async () => {
    const lost = expect(threads.ahead(asked)).rejects.toThrow(ForecastingLostError);
    await threads.close();
    await threads.close();
    await lost;
  });
});
