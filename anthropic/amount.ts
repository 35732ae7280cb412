import { MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS, ZERO, isDecimal, type Decimal } from '../domain/money.ts';

const [MINUS, POINT, DIGIT_0, DIGIT_9] = [45, 46, 48, 57];

/** One buffer for every amount: a page has tens of thousands of them. */
const written = Buffer.alloc('-'.length + MAX_WHOLE_DIGITS + '.00'.length + MAX_FRACTION_DIGITS);

/**
 * The dollars of the cents that a reply spells from `from` to `to`; null where these are not plain digits, which
 * `parseDecimal` of domain/money may still understand. This takes half the time of `parseDecimal` and `centsToDollars`,
 * and a test compares the two.
 */
export function dollarsAt(body: Buffer, from: number, to: number): Decimal | null {
  const isNegative = body[from] === MINUS;
  let first = isNegative ? from + 1 : from;
  const point = endOfDigits(body, first, to);
  if (point === first || point - first > MAX_WHOLE_DIGITS) return null;
  let end = to;
  if (point < to) {
    const isFraction = body[point] === POINT && to > point + 1 && to - point - 1 <= MAX_FRACTION_DIGITS;
    if (!isFraction || endOfDigits(body, point + 1, to) !== to) return null;
    while (body[end - 1] === DIGIT_0) end -= 1;
  }
  while (body[first] === DIGIT_0) first += 1;
  const wholeDigits = point - first;
  const fractionDigits = Math.max(0, end - point - 1);
  if (wholeDigits === 0 && fractionDigits === 0) return ZERO;

  let at = 0;
  const write = (byte: number | undefined): void => {
    written[at] = byte ?? DIGIT_0;
    at += 1;
  };
  if (isNegative) write(MINUS);
  if (wholeDigits <= 2) write(DIGIT_0);
  for (let digit = first; digit < point - 2; digit += 1) write(body[digit]);
  const tens = wholeDigits >= 2 ? body[point - 2] : DIGIT_0;
  const ones = wholeDigits >= 1 ? body[point - 1] : DIGIT_0;
  const hasOnes = fractionDigits > 0 || ones !== DIGIT_0;
  const hasTens = hasOnes || tens !== DIGIT_0;
  if (hasTens) write(POINT);
  if (hasTens) write(tens);
  if (hasOnes) write(ones);
  for (let digit = point + 1; digit < end; digit += 1) write(body[digit]);
  const dollars = written.toString('latin1', 0, at);
  return isDecimal(dollars) ? dollars : null;
}

function endOfDigits(body: Buffer, from: number, to: number): number {
  let at = from;
  for (; at < to; at += 1) {
    const byte = body[at] ?? 0;
    if (byte < DIGIT_0 || byte > DIGIT_9) break;
  }
  return at;
}
