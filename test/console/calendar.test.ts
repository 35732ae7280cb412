import { describe, expect, it } from 'vitest';
import {
  classesOf,
  dayView,
  shadesOf,
  summaryOf,
  timesRestated,
  wordsOf,
} from '../../console/pages/connections/day-view.ts';
import { dayAfterKey, monthRows, windowOf } from '../../console/pages/connections/months.ts';

describe('the months of a calendar', () => {
  it('have 31 columns each, and every day of the range once, at its date', () => {
    const rows = monthRows({ from: '2026-01-30', to: '2026-03-02' });
    expect(rows.map(({ name }) => name)).toEqual(['January 2026', 'February 2026', 'March 2026']);
    expect(rows.map(({ days }) => days.length)).toEqual([31, 31, 31]);
    expect(rows.map(({ days }) => days.filter((day) => day !== null).length)).toEqual([2, 28, 2]);
    expect(rows[0]?.days.indexOf('2026-01-30')).toBe(29);
    expect(rows[1]?.days[28]).toBeNull();
  });

  it('show a short history whole, without links to more', () => {
    expect(windowOf('2026-10-31', null, '2026-11-30')).toEqual({
      from: '2026-10-31',
      to: '2026-11-30',
      older: null,
      newer: null,
    });
  });

  it('show a year at once, and lead to every other year of the history', () => {
    const today = '2026-11-30';
    const first = windowOf('2024-03-15', null, today);
    expect(first).toEqual({ from: '2025-12-01', to: today, older: '2025-11', newer: null });
    const second = windowOf('2024-03-15', first.older, today);
    expect(second).toEqual({ from: '2024-12-01', to: '2025-11-30', older: '2024-11', newer: '2026-11' });
    expect(windowOf('2024-03-15', second.older, today)).toEqual({
      from: '2024-03-15',
      to: '2024-11-30',
      older: null,
      newer: '2025-11',
    });
  });

  it('end today if the address names no month of the history', () => {
    for (const until of ['2023-01', '2027-01', '2026-13', 'x'])
      expect(windowOf('2024-03-15', until, '2026-11-30').to).toBe('2026-11-30');
  });

  it('are walked by the arrow keys, and not left by them', () => {
    const range = { from: '2026-01-15', to: '2026-03-20' };
    const walk = (day: string, key: string) => dayAfterKey(day, key, range);
    expect(walk('2026-01-31', 'ArrowRight')).toBe('2026-02-01');
    expect(walk('2026-01-31', 'ArrowDown')).toBe('2026-02-28');
    expect(walk('2026-03-16', 'ArrowUp')).toBe('2026-02-16');
    expect(walk('2026-02-10', 'ArrowUp')).toBe('2026-01-15');
    expect(walk('2026-01-15', 'ArrowLeft')).toBe('2026-01-15');
    expect(walk('2026-03-02', 'End')).toBe('2026-03-20');
    expect(walk('2026-02-14', 'Home')).toBe('2026-02-01');
    expect(walk('2026-02-14', 'a')).toBeNull();
  });
});

const USAGE = { state: 'final' as const, tokens: '5', lines: 1, reconciled: true, disagrees_with: null, read_at: null };
const DAY = {
  day: '2026-11-10',
  state: 'final' as const,
  amount: '8110.2',
  lines: 4,
  reconciled: true,
  disagrees_with: null,
  read_at: null,
  usage: USAGE,
};

describe('a day of a calendar', () => {
  it('is said with its amount, its state and what happened to it', () => {
    expect(wordsOf(dayView(DAY, 2))).toBe('10 November 2026: $8,110.20. Final. Restated 2 times.');
    expect(wordsOf(dayView({ ...DAY, disagrees_with: '1' }, 0))).toContain('own total disagrees');
  });

  it('is only as far as the report that lags behind', () => {
    expect(dayView({ ...DAY, usage: { ...USAGE, state: 'missing' } }, 0).state).toBe('missing');
    expect(dayView({ ...DAY, state: 'provisional' }, 0).state).toBe('provisional');
  });

  it('without data is unknown and not zero', () => {
    const missing = dayView({ ...DAY, state: 'missing', amount: null, lines: null }, 0);
    expect(wordsOf(missing)).toBe('10 November 2026: unknown. Still to be read.');
    expect(classesOf(missing)).toBe('missing');
  });

  it('without usage is marked as empty', () => {
    const empty = dayView({ ...DAY, amount: '0', lines: 0, usage: { ...USAGE, lines: 0, tokens: '0' } }, 1);
    expect(classesOf(empty)).toBe('final empty restated');
  });

  it('is as dark as its share of the most expensive day', () => {
    const days = ['8', '2', '-1', null].map((amount, index) =>
      dayView({ ...DAY, day: `2026-11-0${index + 1}`, amount }, 0),
    );
    expect([...shadesOf(days).values()]).toEqual([1, 0.25, 0, 0]);
  });

  it('counts in the sentence about all of them', () => {
    const days = [
      DAY,
      { ...DAY, state: 'provisional' as const },
      { ...DAY, state: 'missing' as const, amount: null },
      { ...DAY, disagrees_with: '1' },
    ].map((day) => dayView(day, 0));
    expect(summaryOf(days)).toBe(
      '2 of 4 days are final, 1 may still change, 1 is still to be read. One does not add up to Anthropic’s own total.',
    );
    expect(summaryOf(days.slice(0, 1))).toBe('1 of 1 days is final, none is missing.');
  });

  it('counts a sync that restated both of its reports once', () => {
    const change = { id: 1, after: '1', before: '0', at: '', lines_added: 0, lines_changed: 1, lines_removed: 0 };
    const restated = timesRestated([
      { ...change, day: '2026-11-10', report: 'cost', sync: 4 },
      { ...change, day: '2026-11-10', report: 'usage', sync: 4 },
      { ...change, day: '2026-11-10', report: 'cost', sync: 5 },
    ]);
    expect(restated.get('2026-11-10')).toBe(2);
  });
});
