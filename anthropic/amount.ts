const [MINUS, DOT, ZERO, NINE] = [45, 46, 48, 57];
/** No bill has more digits than these before and behind the point, so that any number of amounts can be added up. */
const [MOST_WHOLE, MOST_FRACTION] = [38, 58];

/** Dollars are written down here. */
const written = Buffer.alloc(1 + MOST_WHOLE + 1 + 2 + MOST_FRACTION);

/**
 * What `centsToDollars` of domain/money gives for the digits of a reply, for tens of thousands of them: without a text for
 * each step on the way. Null where they are not digits of the plain form, which that function may know, or too many.
 */
export function dollarsAt(body: Buffer, from: number, to: number): string | null {
  const isNegative = body[from] === MINUS;
  let first = isNegative ? from + 1 : from;
  const point = endOfDigits(body, first, to);
  if (point === first || point - first > MOST_WHOLE) return null;
  let end = to;
  if (point < to) {
    const isFraction = body[point] === DOT && to > point + 1 && to - point - 1 <= MOST_FRACTION;
    if (!isFraction || endOfDigits(body, point + 1, to) !== to) return null;
    while (body[end - 1] === ZERO) end -= 1;
  }
  while (body[first] === ZERO) first += 1;
  const digits = point - first;
  const rest = Math.max(0, end - point - 1);
  if (digits === 0 && rest === 0) return '0';

  let at = 0;
  const write = (byte: number | undefined): void => {
    written[at] = byte ?? ZERO;
    at += 1;
  };
  if (isNegative) write(MINUS);
  if (digits <= 2) write(ZERO);
  for (let digit = first; digit < point - 2; digit += 1) write(body[digit]);
  const tens = digits >= 2 ? body[point - 2] : ZERO;
  const ones = digits >= 1 ? body[point - 1] : ZERO;
  if (rest > 0 || ones !== ZERO || tens !== ZERO) write(DOT);
  if (rest > 0 || ones !== ZERO || tens !== ZERO) write(tens);
  if (rest > 0 || ones !== ZERO) write(ones);
  for (let digit = point + 1; digit < end; digit += 1) write(body[digit]);
  return written.toString('latin1', 0, at);
}

function endOfDigits(body: Buffer, from: number, to: number): number {
  let at = from;
  for (; at < to; at += 1) {
    const byte = body[at] ?? 0;
    if (byte < ZERO || byte > NINE) break;
  }
  return at;
}
