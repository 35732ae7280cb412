import { MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS } from '../domain/money.ts';
import { DIGIT_0, DIGIT_9, MINUS, POINT, type Writer } from './bytes.ts';

const MAX_BYTES = '-'.length + MAX_WHOLE_DIGITS + '.00'.length + MAX_FRACTION_DIGITS;

/**
 * Writes the dollars of the cents that a page spells from `from` to `to`. Returns false, and writes nothing, where these
 * are not plain digits, which `parseDecimal` of domain/money may still understand. This takes a fraction of the time of
 * `parseDecimal` and `centsToDollars`, and a test compares the two.
 */
export function writeDollars(body: Uint8Array, from: number, to: number, into: Writer): boolean {
  const isNegative = body[from] === MINUS;
  let first = isNegative ? from + 1 : from;
  const point = endOfDigits(body, first, to);
  if (point === first || point - first > MAX_WHOLE_DIGITS) return false;
  let end = to;
  if (point < to) {
    const isFraction = body[point] === POINT && to > point + 1 && to - point - 1 <= MAX_FRACTION_DIGITS;
    if (!isFraction || endOfDigits(body, point + 1, to) !== to) return false;
    while (body[end - 1] === DIGIT_0) end -= 1;
  }
  while (body[first] === DIGIT_0) first += 1;
  // The whole digits may all have been zeros; then `first` lies at the point or behind it.
  first = Math.min(first, point);
  const hasFraction = end > point + 1;
  into.room(MAX_BYTES);
  if (first === point && !hasFraction) {
    into.writeByte(DIGIT_0);
    return true;
  }
  if (isNegative) into.writeByte(MINUS);
  if (point - first <= 2) into.writeByte(DIGIT_0);
  else into.write(body, first, point - 2);
  const tens = point - first >= 2 ? (body[point - 2] ?? DIGIT_0) : DIGIT_0;
  const ones = point - first >= 1 ? (body[point - 1] ?? DIGIT_0) : DIGIT_0;
  const hasOnes = hasFraction || ones !== DIGIT_0;
  if (hasOnes || tens !== DIGIT_0) {
    into.writeByte(POINT);
    into.writeByte(tens);
  }
  if (hasOnes) into.writeByte(ones);
  if (hasFraction) into.write(body, point + 1, end);
  return true;
}

function endOfDigits(body: Uint8Array, from: number, to: number): number {
  let at = from;
  for (; at < to; at += 1) {
    const byte = body[at] ?? 0;
    if (byte < DIGIT_0 || byte > DIGIT_9) break;
  }
  return at;
}
