import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS, addDays, dayOf, lengthOf, startOfDayMs, toDay, type Day } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { contentOf } from '../../domain/notices/kinds.ts';
import { percentOf, type DoubtfulDays, type ReportData } from '../../domain/reports/notice.ts';
import {
  EVERY,
  endOfMs,
  lastPeriodOver,
  localDayOf,
  periodBefore,
  periodComparison,
  timeZoneOf,
} from '../../domain/reports/periods.ts';

const ZONES = ['Europe/Berlin', 'America/New_York', 'Pacific/Auckland', 'Asia/Kathmandu', 'UTC'];
const day = fc.integer({ min: 0, max: 2000 }).map((days) => addDays(toDay('2025-01-01'), days));
const instant = fc.integer({ min: Date.parse('2025-01-01'), max: Date.parse('2030-12-31') });

describe('the period of a report', () => {
  it.each([
    ['daily', '2026-03-30', '2026-03-29', '2026-03-29', '2026-03-28'],
    ['weekly', '2026-11-30', '2026-11-23', '2026-11-29', '2026-11-16'],
    ['weekly', '2026-12-06', '2026-11-23', '2026-11-29', '2026-11-16'],
    ['monthly', '2026-03-01', '2026-02-01', '2026-02-28', '2026-01-01'],
    ['monthly', '2028-03-31', '2028-02-01', '2028-02-29', '2028-01-01'],
  ] as const)('%s on %s is %s to %s, and is compared with what begins on %s', (every, today, from, to, before) => {
    const period = periodBefore(every, today);
    expect(period).toEqual({ from, to });
    expect(periodComparison(every, period).range).toMatchObject({ from: before, to: addDays(from, -1) });
  });

  it('follows the one before without a gap and without a day twice', () => {
    fc.assert(
      fc.property(day, fc.constantFrom(...EVERY), (today, every) => {
        const period = periodBefore(every, today);
        expect(periodBefore(every, period.from).to).toBe(addDays(period.from, -1));
        expect(period.to < today && lengthOf(period) >= 1).toBe(true);
      }),
    );
  });

  it('is by the calendar of the time zone, and the last one over is over in UTC', () => {
    fc.assert(
      fc.property(instant, fc.constantFrom(...ZONES), fc.constantFrom(...EVERY), (nowMs, zone, every) => {
        const local = localDayOf(nowMs, zone);
        expect(Math.abs(startOfDayMs(local) - startOfDayMs(dayOf(nowMs)))).toBeLessThanOrEqual(DAY_MS);
        const period = lastPeriodOver(every, zone, nowMs);
        expect(endOfMs(period)).toBeLessThanOrEqual(nowMs);
        const own = periodBefore(every, local);
        expect(period).toEqual(endOfMs(own) <= nowMs ? own : periodBefore(every, own.from));
      }),
    );
  });

  it('knows the date on either side of the date line and of a clock change', () => {
    const at = Date.parse('2026-09-26T13:30:00Z');
    expect(ZONES.map((zone) => localDayOf(at, zone))).toEqual([
      '2026-09-26',
      '2026-09-26',
      '2026-09-27',
      '2026-09-26',
      '2026-09-26',
    ]);
    expect(localDayOf(Date.parse('2026-03-28T23:00:00Z'), 'Europe/Berlin')).toBe('2026-03-29');
    expect(localDayOf(Date.parse('2026-10-25T22:59:59Z'), 'Europe/Berlin')).toBe('2026-10-25');
  });

  it.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    ['europe/berlin', 'Europe/Berlin'],
    ['UTC', 'UTC'],
    ['Asia/Kathmandu', 'Asia/Kathmandu'],
    ['US/Pacific', 'US/Pacific'],
    ['ASIA/KATHMANDU', null],
    ['+02:00', null],
    ['Mars/Olympus', null],
    ['', null],
    ['x'.repeat(65), null],
  ])('is in the time zone %s as %s', (text, zone) => {
    expect(timeZoneOf(text)).toBe(zone);
  });
});

const NO_DOUBT: DoubtfulDays = { missing: [], unfinished: [], uncovered: [], provisional: [], flagged: [] };
const usd = toDecimal;
const DATA: ReportData = {
  report: { id: '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b', name: 'Costs' },
  every: 'weekly',
  time_zone: 'Europe/Berlin',
  query: { group_by: ['workspace', 'model'], 'tag.team': ['a&b'] },
  group_by: ['workspace', 'model'],
  from: '2026-11-16',
  to: '2026-11-22',
  total: usd('120.505'),
  days: NO_DOUBT,
  before: { from: '2026-11-09', to: '2026-11-15', total: usd('100'), days: NO_DOUBT },
  change: usd('20.505'),
  change_percent: usd('20.51'),
  why: { volume: usd('15'), mix: usd('5.505'), price: usd('-1'), unmatched: usd('1') },
  groups: [{ names: ['Default workspace', 'a'], amount: usd('110'), before: usd('100'), change: usd('10') }],
  other: { count: 3, amount: usd('10.505'), before: usd('0') },
  movers: [{ names: ['Default workspace', 'a'], amount: usd('110'), before: usd('100'), change: usd('10') }],
  other_currencies: [{ currency: 'EUR', amount: usd('3'), before: null }],
};
const said = (more: Partial<ReportData>): ReturnType<typeof contentOf> => contentOf('report', { ...DATA, ...more });

describe('the notice of a report', () => {
  it('says the total, the change and why, with dollars in cents', () => {
    const { subject, sentence, facts, tables, action, link } = said({});
    expect(subject).toBe('Costs: $120.51 from 2026-11-16 to 2026-11-22, +$20.51 (+20.51 %)');
    expect(sentence).toBe(
      'The cost from 2026-11-16 to 2026-11-22 was $120.51. That is +$20.51 (+20.51 %) against $100.00 from 2026-11-09 to 2026-11-15.',
    );
    expect(facts).toContainEqual({
      label: 'Why',
      value: 'volume +$15.00, mix +$5.51, price -$1.00, without tokens +$1.00',
    });
    expect(facts).toContainEqual({ label: 'In EUR', value: '3.00, before no data' });
    expect(tables.map(({ title, rows }) => [title, rows])).toEqual([
      [
        'Largest costs',
        [
          ['Default workspace', 'a', '110.00', '+10.00'],
          ['3 more', '', '10.51', '+10.51'],
        ],
      ],
      ['Largest changes', [['Default workspace', 'a', '110.00', '+10.00']]],
    ]);
    expect(action).toBeNull();
    expect(link?.path).toBe(
      '/#/explore?report=costs&from=2026-11-16&to=2026-11-22&group_by=workspace,model&tag.team=a%26b&compare=previous',
    );
  });

  it('names each day that is not certain, and calls the total a lower bound', () => {
    const missing: Day[] = ['2026-11-20', '2026-11-21'];
    const { sentence, facts, action } = said({
      days: { ...NO_DOUBT, missing, provisional: ['2026-11-22'], flagged: ['2026-11-18'], unfinished: ['2026-11-22'] },
      why: null,
    });
    expect(sentence).toContain('Missing, so the total is a lower bound: 2026-11-20 to 2026-11-21.');
    expect(sentence).toContain('Do not add up: 2026-11-18.');
    expect(facts).toContainEqual({ label: 'Days missing', value: '2026-11-20 to 2026-11-21' });
    expect(facts).toContainEqual({ label: 'Days provisional', value: '2026-11-22' });
    expect(facts).toContainEqual({ label: 'Why', value: expect.stringMatching(/^not explained/) as unknown });
    expect(action).toMatch(/lower bound/);
  });

  it('says "no data" where nothing was read, and never zero', () => {
    const nothing = said({
      total: null,
      change: null,
      change_percent: null,
      why: null,
      groups: [],
      movers: [],
      other: null,
    });
    expect(nothing.subject).toBe('Costs: no data for 2026-11-16 to 2026-11-22');
    expect(JSON.stringify(nothing)).not.toContain('$0.00');
    const first = said({ before: { ...DATA.before, total: null }, change: null, change_percent: null, why: null });
    expect(first.subject).toBe('Costs: $120.51 from 2026-11-16 to 2026-11-22');
    expect(first.sentence).toContain('There is no data for the period before, 2026-11-09 to 2026-11-15.');
    expect(first.facts).toContainEqual({ label: 'Change', value: 'no data' });
  });

  it.each([
    ['10', '100', '10'],
    ['-1', '3', '-33.33'],
    ['2', '3', '66.67'],
    ['-5', '-10', '50'],
    ['0.00005', '1', '0.01'],
    ['1', '0', null],
  ])('has a change of %s of %s as %s percent', (change, before, percent) => {
    expect(percentOf(usd(change), usd(before))).toBe(percent);
    expect(percentOf(null, usd(before))).toBeNull();
  });

  it('has one line of subject whatever people call a report', () => {
    const { subject } = said({ report: { id: 'x', name: 'Costs\r\nBcc: all@example.com' } });
    expect(subject).not.toMatch(/\p{Cc}/u);
  });
});
