import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { difference, rounded, signOf, sum } from '../../console/format/decimal.ts';

/** A decimal as the API writes it: `units` shifted by as many places, without trailing zeros. */
function textOf(units: bigint, places: number): string {
  const digits = String(units < 0n ? -units : units).padStart(places + 1, '0');
  const [whole, fraction] = [digits.slice(0, digits.length - places), digits.slice(digits.length - places)];
  const kept = fraction.replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${whole}${kept === '' ? '' : `.${kept}`}`;
}

const PLACES = 18;
const units = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });

describe('decimals in the console', () => {
  test('add up to the last digit', () => {
    fc.assert(
      fc.property(fc.array(units, { minLength: 1 }), (all) => {
        const total = all.reduce((a, b) => a + b, 0n);
        expect(sum(...all.map((each) => textOf(each, PLACES)))).toBe(textOf(total, PLACES));
      }),
    );
  });

  test('subtract to the last digit, and know their sign', () => {
    fc.assert(
      fc.property(units, units, (a, b) => {
        const left = difference(textOf(a, PLACES), textOf(b, PLACES));
        expect(left).toBe(textOf(a - b, PLACES));
        expect(signOf(left)).toBe(a === b ? 0 : a < b ? -1 : 1);
      }),
    );
  });

  test.each([
    ['0.005', 2, '0.00'],
    ['0.015', 2, '0.02'],
    ['0.0150000000000000001', 2, '0.02'],
    ['0.025', 2, '0.02'],
    ['-0.025', 2, '-0.02'],
    ['-0.0251', 2, '-0.03'],
    ['999999999999999999.995', 2, '1000000000000000000.00'],
    ['12', 2, '12.00'],
    ['1.5', 0, '2'],
    ['2.5', 0, '2'],
  ])('round half to even: %s to %i places is %s', (amount, places, expected) => {
    expect(rounded(amount, places)).toBe(expected);
  });
});
