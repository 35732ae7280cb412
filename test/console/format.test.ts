import { describe, expect, test } from 'vitest';
import * as days from '../../console/format/days.ts';
import { count, exact, money, percent, percentChange, usd, usdChange } from '../../console/format/money.ts';
import { worthSaying } from '../../console/format/why.ts';

test('a day is one of the calendar', () => {
  const texts = ['2026-11-30', '2024-02-29', '2026-02-29', '2026-02-31', '2026-13-01', '2026-1-1', 'yesterday', ''];
  expect(texts.filter(days.isDay)).toEqual(['2026-11-30', '2024-02-29']);
});

describe('amounts for people', () => {
  test.each([
    ['239951.5267', '$239,951.53'],
    ['0', '$0.00'],
    ['-12.5', '−$12.50'],
    ['0.04', '$0.04'],
    ['0.00012345', '$0.000123'],
    ['-0.00000000001', '−$0.00000000001'],
    ['123456789012345678901.005', '$123,456,789,012,345,678,901.00'],
    ['0.999', '$1.00'],
  ])('%s is %s', (amount, expected) => {
    expect(usd(amount)).toBe(expected);
  });

  test('a change always has its sign, and a share of what was before only where there was something', () => {
    expect([usdChange('3'), usdChange('-3'), usdChange('0')]).toEqual(['+$3.00', '−$3.00', '±$0.00']);
    expect(percentChange('8.2', '100')).toBe('+8.2 %');
    expect(percentChange('-50', '100')).toBe('−50.0 %');
    expect(percentChange('-50', '-100')).toBe('−50.0 %');
    expect(percentChange('1', '0')).toBeNull();
  });

  test('percentages have their thousands apart', () => {
    expect(['12.345', '-12.345'].map(percent)).toEqual(['1,234.5 %', '−1,234.5 %']);
    expect(exact('123450.25')).toBe('123,450.25');
  });

  test('a share of next to nothing is a share', () => {
    expect(['0.714', '0.0000000001', '1e-17', '-0.0000000001', '-0.5', '1'].map(percent)).toEqual([
      ...['71.4 %', '0.0 %', '0.0 %', '0.0 %', '−50.0 %', '100.0 %'],
    ]);
  });

  test('what rounding leaves is no reason for a change of dollars, and is one for a change of less', () => {
    const rest = { mix: '0.000000000000261', price: '0', unmatched: '0' };
    expect(worthSaying({ volume: '-13361.82', ...rest })).toEqual(['volume']);
    expect(worthSaying({ volume: '-0.004', ...rest })).toEqual(['volume', 'mix']);
    expect(worthSaying({ volume: '0', ...rest, unmatched: '0.005000001' })).toEqual(['unmatched']);
  });

  test('another currency is named, and no amount is rounded where all digits are asked for', () => {
    expect(money('1234.5', 'EUR')).toBe('1,234.50 EUR');
    expect(exact('-1234.123456789012')).toBe('−1,234.123456789012');
  });

  test('a large count is short', () => {
    expect([count('999999'), count('38200000000'), count(0), count('1234567890123456789')]).toEqual([
      '999,999',
      '38.2 B',
      '0',
      '1,234,568 T',
    ]);
  });
});

describe('days for people', () => {
  test('a range leaves out what its ends share', () => {
    expect(days.range('2026-11-01', '2026-11-28')).toBe('1 – 28 November 2026');
    expect(days.range('2026-10-30', '2026-11-02')).toBe('30 October – 2 November 2026');
    expect(days.range('2025-12-30', '2026-01-02')).toBe('30 December 2025 – 2 January 2026');
    expect(days.range('2026-02-28', '2026-02-28')).toBe('28 February 2026');
  });

  test('months end where the calendar ends them, and days add up over leap days', () => {
    expect([days.monthEnd('2028-02-11'), days.monthEnd('2026-12-01')]).toEqual(['2028-02-29', '2026-12-31']);
    expect(days.addDays('2028-02-28', 2)).toBe('2028-03-01');
    expect(days.daysOf('2026-12-30', '2027-01-02')).toEqual(['2026-12-30', '2026-12-31', '2027-01-01', '2027-01-02']);
    expect(days.daysBetween('2026-01-01', '2026-12-31')).toBe(365);
  });

  test('an instant says that it is in UTC, and how long ago it was', () => {
    expect(days.instant('2026-11-30T06:12:59.9Z')).toBe('30 Nov 2026, 06:12 UTC');
    const now = Date.parse('2026-11-30T12:00:00Z');
    expect(days.distance('2026-11-30T11:57:00Z', now)).toBe('3 minutes ago');
    expect(days.distance('2026-11-30T13:00:00Z', now)).toBe('in 1 hour');
    expect(days.distance('2026-11-20T12:00:00Z', now)).toBe('10 days ago');
  });
});
