import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SettledDay } from '../../../domain/anomalies/incident.ts';
import { multiplyDecimals, subtractDecimals, toDecimal, type Decimal } from '../../../domain/money.ts';
import { applied, assess, incidentsOf, organization, settled, type Events } from './series.ts';

const LENGTH = 70;
/** A factor for a workspace from a day on, for some days. */
const moves = fc.record({
  at: fc.integer({ min: 30, max: LENGTH - 5 }),
  days: fc.integer({ min: 1, max: 20 }),
  factor: fc.double({ min: 0.1, max: 4, noNaN: true }),
  workspace: fc.constantFrom('alpha', 'beta', 'gamma', 'fresh'),
});
const series = moves.map(({ at, days, factor, workspace: moved }) => {
  const events: Events = ({ place, workspace }) =>
    workspace === moved && place >= at && place < at + days ? factor : null;
  return organization(LENGTH, events);
});

/** What is decided, without amounts. */
function decisions(days: readonly SettledDay[]): unknown {
  return incidentsOf(assess(days)).map(({ key, kind, firstDay, lastDay, daysToDetection, end }) => ({
    ...{ key, kind, firstDay, lastDay, daysToDetection, end },
  }));
}

function mapAmounts(days: readonly SettledDay[], split: (usd: Decimal) => readonly Decimal[]): SettledDay[] {
  return days.map(({ groups }, place) =>
    settled(
      place,
      groups.flatMap((group) => split(group.usd).map((usd) => ({ ...group, usd }))),
    ),
  );
}

const FEW = { numRuns: 12 };

test('a constant factor changes amounts and no decision', () => {
  const factor = toDecimal('1000');
  fc.assert(
    fc.property(series, (days) => {
      expect(decisions(mapAmounts(days, (usd) => [multiplyDecimals(usd, factor)]))).toEqual(decisions(days));
    }),
    FEW,
  );
});

test('the order of days and of groups does not matter', () => {
  fc.assert(
    fc.property(series, (days) => {
      const turned = days.toReversed().map((day) => ({ ...day, groups: day.groups.toReversed() }));
      expect(assess(turned)).toEqual(assess(days));
    }),
    FEW,
  );
});

test('splitting every group in two changes no decision', () => {
  const third = toDecimal('0.25');
  fc.assert(
    fc.property(series, (days) => {
      const parts = mapAmounts(days, (usd) => {
        const part = multiplyDecimals(usd, third);
        return [part, subtractDecimals(usd, part)];
      });
      expect(decisions(parts)).toEqual(decisions(days));
    }),
    FEW,
  );
});

test('verdicts that are stored are not given again', () => {
  fc.assert(
    fc.property(series, (days) => {
      expect(assess(days, applied([], assess(days)))).toEqual([]);
    }),
    FEW,
  );
});

test('missing days are no zeros: a regular series with gaps has no drop', () => {
  fc.assert(
    fc.property(fc.integer({ min: 25, max: 60 }), fc.integer({ min: 1, max: 10 }), (from, length) => {
      const days = organization(LENGTH).filter((_, place) => place < from || place >= from + length);
      expect(incidentsOf(assess(days)).filter(({ direction }) => direction === 'down')).toEqual([]);
    }),
    FEW,
  );
});
