import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDecimals, canonicalDecimal, centsToDollars, isDecimal, sameDecimal } from '../../domain/money.ts';

const decimal = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.integer({ min: 0, max: 15 }))
  .map(([negative, units, scale]) => {
    const digits = units.toString().padStart(scale + 1, '0');
    const cut = digits.length - scale;
    return `${negative ? '-' : ''}${digits.slice(0, cut)}${scale === 0 ? '' : `.${digits.slice(cut)}`}`;
  });

describe('money', () => {
  it('reads cents as cents', () => {
    expect(centsToDollars('83391.52823')).toBe('833.9152823');
    expect(centsToDollars('946.6')).toBe('9.466');
    expect(centsToDollars('0.00000000001')).toBe('0.0000000000001');
    expect(centsToDollars('-5')).toBe('-0.05');
    expect(centsToDollars('100.000')).toBe('1');
  });

  it('loses no decimal: a hundred times the dollars are the cents again', () => {
    fc.assert(
      fc.property(decimal, (cents) => {
        const dollars = centsToDollars(cents);
        expect(addDecimals(Array.from({ length: 100 }, () => dollars))).toBe(canonicalDecimal(cents));
      }),
    );
  });

  it('adds exactly, in any order and grouping', () => {
    fc.assert(
      fc.property(fc.array(decimal, { maxLength: 20 }), fc.nat(), (amounts, at) => {
        const cut = amounts.length === 0 ? 0 : at % amounts.length;
        const parts = [addDecimals(amounts.slice(cut)), addDecimals(amounts.slice(0, cut))];
        expect(addDecimals(parts)).toBe(addDecimals(amounts));
        expect(addDecimals([...amounts, ...amounts.map((amount) => negated(amount))])).toBe('0');
      }),
    );
    expect(addDecimals(['0.1', '0.2'])).toBe('0.3');
  });

  it('has one spelling for one number', () => {
    for (const same of ['1.50', '01.5', '+1.5', '1.5e0', '15e-1', '0.15E1']) expect(canonicalDecimal(same)).toBe('1.5');
    expect(canonicalDecimal('-0.00')).toBe('0');
    expect(sameDecimal('10', '1e1')).toBe(true);
    expect(sameDecimal('10', '10.0000000001')).toBe(false);
  });

  it('takes nothing that is no finite decimal number', () => {
    for (const bad of ['', 'NaN', 'Infinity', '-Infinity', '1e5x', '1,5', ' 1', '0x10', '.', 'e5', '1'.repeat(300)]) {
      expect(isDecimal(bad), bad).toBe(false);
      expect(() => canonicalDecimal(bad), bad).toThrow(RangeError);
    }
  });
});

function negated(amount: string): string {
  return amount.startsWith('-') ? amount.slice(1) : `-${amount}`;
}
