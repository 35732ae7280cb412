import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDays, daysIn, type Day } from '../../domain/days.ts';
import { canonicalDimensions, type Dimensions, type Json } from '../../domain/lines.ts';
import { toDecimal } from '../../domain/money.ts';
import { daysToFlag, daysToRead, daysToReread, type StoredDay, type Totals } from '../../domain/reading.ts';
import { backoffMs, lastDueMs, nextDueMs } from '../../domain/connection/schedule.ts';

const TODAY: Day = '2026-11-20';
const window = { from: addDays(TODAY, -30), to: TODAY };
const complete: StoredDay[] = daysIn(window).map((day) => ({
  day,
  state: 'final',
  total: toDecimal('1.50'),
  readOn: TODAY,
}));
const totals = Object.fromEntries(daysIn(window).map((day) => [day, toDecimal('1.5')]));
const facts = { window, everyDay: false, today: TODAY, restatementDays: 3, stored: complete, totals };
const trailing = daysIn({ from: addDays(TODAY, -3), to: TODAY });

describe('what to read', () => {
  it('of a window that is complete: the trailing days and today', () => {
    expect(daysToRead(facts)).toEqual(trailing);
  });

  it('a day that was corrected weeks ago, found by its total', () => {
    const corrected = addDays(TODAY, -25);
    expect(daysToRead({ ...facts, totals: { ...totals, [corrected]: toDecimal('1.5000001') } })).toEqual([
      corrected,
      ...trailing,
    ]);
  });

  it('days that are missing or provisional, and a day without a total', () => {
    const missing = addDays(TODAY, -20);
    const provisional = addDays(TODAY, -15);
    const emptied = addDays(TODAY, -10);
    const stored = complete
      .filter(({ day }) => day !== missing)
      .map((day) => (day.day === provisional ? { ...day, state: 'provisional' as const } : day));
    const without = Object.fromEntries(Object.entries(totals).filter(([day]) => day !== emptied));
    expect(daysToRead({ ...facts, stored, totals: without })).toEqual([missing, provisional, emptied, ...trailing]);
  });

  it('every missing day, no day in the future, and each day once', () => {
    fc.assert(
      fc.property(fc.subarray(complete), fc.integer({ min: -40, max: 5 }), fc.boolean(), (stored, offset, everyDay) => {
        const today = addDays(TODAY, offset);
        const read = daysToRead({ ...facts, today, stored, everyDay });
        expect(read).toEqual([...new Set(read)].sort());
        expect(read.every((day) => day <= today)).toBe(true);
        const have = new Set(stored.map(({ day }) => day));
        for (const day of daysIn(window)) if (day <= today && !have.has(day)) expect(read).toContain(day);
      }),
    );
  });
});

describe('a suspect day', () => {
  const total = (text: string): Totals => ({ [TODAY]: toDecimal(text) });
  const unreadable: Totals = { [TODAY]: null };

  it.each([
    { before: total('2.0'), after: total('2'), stays: true },
    { before: {}, after: total('0.00'), stays: true },
    { before: total('2'), after: total('3'), stays: false },
    { before: total('2'), after: {}, stays: false },
    { before: unreadable, after: unreadable, stays: false },
    { before: total('2'), after: unreadable, stays: false },
  ])('is read again and then flagged only if its total stays the same: %#', ({ before, after, stays }) => {
    const suspect = [TODAY];
    const chosen = stays ? [TODAY] : [];
    expect(daysToReread({ days: [TODAY], stillSuspect: suspect, heldBack: [], before, after })).toEqual(chosen);
    expect(daysToFlag({ suspect, before, after })).toEqual(chosen);
  });

  it('that adds up by now is not read again', () => {
    const same = { before: total('2'), after: total('2') };
    expect(daysToReread({ days: [TODAY], stillSuspect: [], heldBack: [], ...same })).toEqual([]);
    expect(daysToFlag({ suspect: [], ...same })).toEqual([]);
  });

  it('that was held back is read again in any case', () => {
    const moved = { before: total('2'), after: total('3') };
    expect(daysToReread({ days: [TODAY], stillSuspect: [], heldBack: [TODAY], ...moved })).toEqual([TODAY]);
  });
});

describe('the dimensions of a line', () => {
  const json = fc.jsonValue().map((value) => value as Json);
  const dimensions = fc.dictionary(fc.string(), json).map((fields): Dimensions => fields);

  it('are the same whatever the order of fields, and with null for absent', () => {
    fc.assert(
      fc.property(dimensions, fc.string(), (fields, name) => {
        const reversed = Object.fromEntries(Object.entries(fields).reverse());
        expect(canonicalDimensions(reversed)).toBe(canonicalDimensions(fields));
        if (!Object.hasOwn(fields, name) && name !== '__proto__') {
          expect(canonicalDimensions({ ...fields, [name]: null })).toBe(canonicalDimensions(fields));
        }
      }),
    );
  });

  it('differ when a value differs', () => {
    expect(canonicalDimensions({ model: 'a' })).not.toBe(canonicalDimensions({ model: 'b' }));
    expect(canonicalDimensions({ model: '' })).not.toBe(canonicalDimensions({}));
    expect(canonicalDimensions({ a: '1' })).not.toBe(canonicalDimensions({ a: 1 }));
  });
});

describe('the daily time', () => {
  it('is the same UTC time every day, within the hour that is set', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 4e12 }), (id, hour, now) => {
        const last = lastDueMs(id, hour, now);
        const next = nextDueMs(id, hour, now);
        expect(last).toBeLessThanOrEqual(now);
        expect(next).toBeGreaterThan(now);
        expect(next - last).toBe(86_400_000);
        expect(new Date(next).getUTCHours()).toBe(hour);
      }),
    );
  });

  it('spreads over the hour', () => {
    const minutes = new Set(
      Array.from({ length: 200 }, (_, n) => new Date(nextDueMs(`connection ${n}`, 6, 0)).getUTCMinutes()),
    );
    expect(minutes.size).toBeGreaterThan(40);
  });

  it('a backoff grows, and ends at an hour', () => {
    const waits = Array.from({ length: 60 }, (_, index) => backoffMs(index + 1));
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.slice(0, 5)).toEqual([5_000, 10_000, 20_000, 40_000, 60_000]);
    expect(waits.at(-1)).toBe(3_600_000);
  });
});
