import { expect, it } from 'vitest';
import { barsAhead, methodText } from '../../console/pages/overview/ahead.ts';

const day = (day: string, mean: string, kind: 'actual' | 'forecast' = 'forecast') => ({
  ...{ day, kind, mean },
  low: `${Number(mean) - 1}`,
  high: `${Number(mean) + 1}`,
});

it('the chart goes on after today with what is expected and its band, and repeats no day that is read', () => {
  const days = [
    day('2026-11-18', '5', 'actual'),
    day('2026-11-19', '6'),
    day('2026-11-20', '7'),
    day('2026-11-21', '8'),
  ];
  const bars = barsAhead({ days }, '2026-11-19');
  expect(bars.map(({ key, state, total, values, band }) => [key, state, total, values, band])).toEqual([
    ['2026-11-20', 'forecast', '7', ['7'], { low: '6', high: '8' }],
    ['2026-11-21', 'forecast', '8', ['8'], { low: '7', high: '9' }],
  ]);
  expect(bars[0]?.notes).toEqual(['In eight of ten cases $6.00 to $8.00']);
});

it('a method is named in words', () => {
  expect(methodText('level_weekday')).toBe('level weekday');
});
