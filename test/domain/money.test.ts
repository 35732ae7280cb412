import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_FRACTION_DIGITS,
  MAX_WHOLE_DIGITS,
  ZERO,
  addDecimals,
  centsToDollars,
  isDecimal,
  parseDecimal,
  toDecimal,
  type Decimal,
} from '../../domain/money.ts';

const decimal = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.integer({ min: 0, max: 15 }))
  .map(([negative, units, scale]) => {
    const digits = units.toString().padStart(scale + 1, '0');
    const cut = digits.length - scale;
    return toDecimal(`${negative ? '-' : ''}${digits.slice(0, cut)}${scale === 0 ? '' : `.${digits.slice(cut)}`}`);
  });

const centsOf = (cents: string): string => centsToDollars(toDecimal(cents));

describe('money', () => {
  it('reads cents as cents', () => {
    expect(centsOf('83391.52823')).toBe('833.9152823');
    expect(centsOf('946.6')).toBe('9.466');
    expect(centsOf('0.00000000001')).toBe('0.0000000000001');
    expect(centsOf('-5')).toBe('-0.05');
    expect(centsOf('100.000')).toBe('1');
    expect(centsOf('0')).toBe('0');
  });

  it('loses no digit: a hundred times the dollars are the cents again', () => {
    fc.assert(
      fc.property(decimal, (cents) => {
        const dollars = centsToDollars(cents);
        expect(addDecimals(Array.from({ length: 100 }, () => dollars))).toBe(cents);
      }),
    );
  });

  it('adds exactly, in any order and grouping', () => {
    fc.assert(
      fc.property(fc.array(decimal, { maxLength: 20 }), fc.nat(), (amounts, at) => {
        const cut = amounts.length === 0 ? 0 : at % amounts.length;
        const parts = [addDecimals(amounts.slice(cut)), addDecimals(amounts.slice(0, cut))];
        expect(addDecimals(parts)).toBe(addDecimals(amounts));
        expect(addDecimals([...amounts, ...amounts.map(negated)])).toBe(ZERO);
      }),
    );
    expect(addDecimals([toDecimal('0.1'), toDecimal('0.2')])).toBe('0.3');
    expect(addDecimals([])).toBe('0');
  });

  it('has one spelling for one number, so that equal numbers are equal texts', () => {
    for (const same of ['1.50', '01.5', '+1.5', '1.5e0', '15e-1', '0.15E1', '1.5']) {
      expect(toDecimal(same)).toBe('1.5');
    }
    expect(toDecimal('-0.00')).toBe('0');
    expect(toDecimal('1e1')).toBe('10');
    expect(toDecimal('7.')).toBe('7');
    const zeros = fc.tuple(fc.nat(3), fc.nat(3));
    fc.assert(
      fc.property(decimal, zeros, (number, [before, behind]) => {
        const [sign = '', digits = ''] = number.startsWith('-') ? ['-', number.slice(1)] : ['', number];
        const padded = `${sign}${'0'.repeat(before)}${digits}${digits.includes('.') ? '' : '.'}${'0'.repeat(behind)}`;
        expect(toDecimal(padded)).toBe(number);
        expect(isDecimal(padded)).toBe(padded === number);
      }),
    );
  });

  it('accepts only texts of finite decimal numbers', () => {
    for (const bad of ['', 'NaN', 'Infinity', '-Infinity', '1e5x', '1,5', ' 1', '0x10', '.', 'e5', '1\n', '٣']) {
      expect(parseDecimal(bad), bad).toBeNull();
      expect(isDecimal(bad), bad).toBe(false);
      expect(() => toDecimal(bad), bad).toThrow(RangeError);
    }
  });

  it('takes no more digits from outside than a bill has, however they are spelled, and adds up past that', () => {
    const [most, least] = ['9'.repeat(MAX_WHOLE_DIGITS), `0.${'0'.repeat(MAX_FRACTION_DIGITS - 1)}1`];
    for (const good of [most, `-${most}`, least]) expect(toDecimal(good)).toBe(good);
    for (const bad of [`${most}9`, `${least}1`, `${most}e1`, '1e99', '1e-99', '1e999999999', '1'.repeat(100_000)]) {
      expect(parseDecimal(bad), bad.slice(0, 100)).toBeNull();
    }
    const sum = addDecimals([toDecimal(most), toDecimal('1'), toDecimal(least)]);
    expect(sum).toBe(`1${'0'.repeat(MAX_WHOLE_DIGITS)}.${least.slice(2)}`);
    expect(isDecimal(sum)).toBe(true);
  });
});

function negated(amount: Decimal): Decimal {
  if (amount === ZERO) return ZERO;
  return toDecimal(amount.startsWith('-') ? amount.slice(1) : `-${amount}`);
}
