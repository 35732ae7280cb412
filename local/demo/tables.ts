/** "1234567.89" as "1,234,567.89". */
export function withSeparators(amount: string): string {
  const [whole = '', fraction] = amount.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** More decimals than any amount has, so that amounts compare as whole numbers. */
const PLACES = 200;

function toUnits(amount: string): bigint {
  const [whole = '0', fraction = ''] = amount.split('.');
  return BigInt(whole + fraction.padEnd(PLACES, '0'));
}

/** A table of names and exact amounts, the largest first. The amounts are aligned at the decimal point. */
export function amountTable(title: string, rows: readonly { name: string; amount: string }[], total: string): string[] {
  const sorted = [...rows].sort((a, b) => {
    const difference = toUnits(b.amount) - toUnits(a.amount);
    return difference > 0n ? 1 : difference < 0n ? -1 : 0;
  });
  const all = [...sorted, { name: 'Total', amount: total }].map(({ name, amount }) => {
    const [whole = '', fraction = ''] = withSeparators(amount).split('.');
    return { name, whole, fraction };
  });
  const widest = (pick: (row: (typeof all)[number]) => string): number =>
    Math.max(...all.map((row) => pick(row).length));
  const nameWidth = Math.max(
    title.length,
    widest(({ name }) => name),
  );
  const wholeWidth = widest(({ whole }) => whole);
  const fractionWidth = widest(({ fraction }) => fraction);
  const pointWidth = fractionWidth === 0 ? 0 : 1;
  const amountWidth = wholeWidth + pointWidth + fractionWidth;
  const lines = all.map(({ name, whole, fraction }) => {
    const point = fraction === '' ? ' '.repeat(pointWidth) : '.';
    return `${name.padEnd(nameWidth)}   ${whole.padStart(wholeWidth)}${point}${fraction.padEnd(fractionWidth)}`.trimEnd();
  });
  const rule = '─'.repeat(nameWidth + 3 + amountWidth);
  return [
    `${title.padEnd(nameWidth)}   ${'USD'.padStart(wholeWidth)}`,
    rule,
    ...lines.slice(0, -1),
    rule,
    ...lines.slice(-1),
  ];
}
