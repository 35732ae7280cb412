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

const CENT = 10n ** BigInt(PLACES - 2);

/** An amount to the nearest cent, for the eye: halves go away from zero. */
export function toCents(amount: string): string {
  const units = toUnits(amount);
  const size = units < 0n ? -units : units;
  const cents = (size + CENT / 2n) / CENT;
  const sign = units < 0n && cents > 0n ? '-' : '';
  return `${sign}${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;
}

/** A row of a table: its name, and a number or a word for each column. */
export interface TableRow {
  readonly name: string;
  readonly cells: readonly string[];
}

/** A table of numbers, aligned at their decimal points, with every digit that they have. */
export function numberTable(
  title: string,
  columns: readonly string[],
  rows: readonly TableRow[],
  total?: readonly string[],
): string[] {
  const all = total === undefined ? rows : [...rows, { name: 'Total', cells: total }];
  const nameWidth = Math.max(title.length, ...all.map(({ name }) => name.length));
  const spelled = columns.map((heading, column) =>
    alignedColumn(
      heading,
      all.map(({ cells }) => cells[column] ?? ''),
    ),
  );
  const line = (name: string, row: number): string =>
    [name.padEnd(nameWidth), ...spelled.map((cells) => cells[row] ?? '')].join('   ').trimEnd();
  const lines = all.map(({ name }, row) => line(name, row + 1));
  const width = spelled.reduce((sum, [heading = '']) => sum + 3 + heading.length, nameWidth);
  const rule = '─'.repeat(width);
  const last = total === undefined ? [] : [rule, ...lines.slice(-1)];
  return [line(title, 0), rule, ...lines.slice(0, rows.length), ...last];
}

/** A heading and the cells under it, all of the same width. The heading ends where the whole numbers end, if it fits. */
function alignedColumn(heading: string, cells: readonly string[]): string[] {
  const parts = cells.map((cell) => {
    const [whole = '', fraction = ''] = withSeparators(cell).split('.');
    return { whole, fraction };
  });
  const fractionWidth = Math.max(0, ...parts.map(({ fraction }) => fraction.length));
  const pointWidth = fractionWidth === 0 ? 0 : 1;
  const wholeWidth = Math.max(...parts.map(({ whole }) => whole.length), heading.length - pointWidth - fractionWidth);
  const spell = ({ whole, fraction }: { whole: string; fraction: string }): string => {
    const point = fraction === '' ? ' '.repeat(pointWidth) : '.';
    return `${whole.padStart(wholeWidth)}${point}${fraction.padEnd(fractionWidth)}`;
  };
  const width = wholeWidth + pointWidth + fractionWidth;
  return [heading.padStart(Math.max(wholeWidth, heading.length)).padEnd(width), ...parts.map(spell)];
}

/** A table of names and exact amounts, the largest first. */
export function amountTable(title: string, rows: readonly { name: string; amount: string }[], total: string): string[] {
  const sorted = [...rows].sort((a, b) => {
    const difference = toUnits(b.amount) - toUnits(a.amount);
    return difference > 0n ? 1 : difference < 0n ? -1 : 0;
  });
  const cells = sorted.map(({ name, amount }) => ({ name, cells: [amount] }));
  return numberTable(title, ['USD'], cells, [total]);
}
