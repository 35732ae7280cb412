import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS, centsToDollars, toDecimal } from '../../domain/money.ts';
import { writeDollars } from '../../pages/amount.ts';
import { Writer } from '../../pages/bytes.ts';
import { costRows } from './support.ts';

const PLAIN = new RegExp(`^-?\\d{1,${MAX_WHOLE_DIGITS}}(\\.\\d{1,${MAX_FRACTION_DIGITS}})?$`);
const cents = fc
  .tuple(fc.constantFrom('', '-'), fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.stringMatching(/^(\.\d{1,16})?$/))
  .map(([sign, whole, fraction]) => `${sign}${whole}${fraction}`);
const spelling = fc.oneof(
  cents,
  fc.stringMatching(/^-?0{0,5}\d{0,12}(\.\d{0,20})?0{0,5}$/),
  fc.string(),
  fc.stringMatching(/^\d{30,60}\.\d{30,70}$/),
);

describe('an amount in a page', () => {
  it('becomes the dollars that the plain arithmetic of domain/money gives, or is left to it', () => {
    fc.assert(
      fc.property(spelling, (amount) => {
        const dollars = dollarsOf(amount);
        if (dollars !== null) {
          expect(dollars).toBe(centsToDollars(toDecimal(amount)));
          expect(dollars).toBe(exactly(amount));
        }
        if (PLAIN.test(amount)) expect(dollars).not.toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['0', '-0', '00', '0.00', '-0.000', '000.0'])('of nothing has one spelling: %s', (amount) => {
    expect(dollarsOf(amount)).toBe('0');
  });

  it('is added to those of the same line without rounding', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -(10 ** 9), max: 10 ** 9 }), { minLength: 1, maxLength: 9 }), (parts) => {
        const rows = parts.map((part) => `{"amount":"${part}e-7"}`);
        const sum = parts.reduce((so, part) => so + BigInt(part), 0n);
        expect(costRows(...rows).map(({ amount }) => amount)).toEqual([toDecimal(`${sum}e-9`)]);
      }),
    );
  });
});

/** What is written for an amount, behind what was written before it; null if it is left to domain/money. */
function dollarsOf(amount: string): string | null {
  const bytes = Buffer.from(`"${amount}"`, 'latin1');
  const into = new Writer(4);
  into.writeText('x,');
  const isWritten = writeDollars(bytes, 1, bytes.length - 1, into);
  const written = into.written().toString('latin1');
  expect(written.slice(0, 2)).toBe('x,');
  if (!isWritten) expect(written).toBe('x,');
  return isWritten ? written.slice(2) : null;
}

/** By whole numbers alone: the digits with a hundredth more behind the point, without what says nothing. */
function exactly(amount: string): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(amount) ?? [];
  const places = fraction.length + 2;
  const digits = BigInt(whole + fraction)
    .toString()
    .padStart(places + 1, '0');
  const text = `${digits.slice(0, -places)}.${digits.slice(-places)}`.replace(/\.?0+$/, '');
  return text === '0' ? '0' : sign + text;
}
