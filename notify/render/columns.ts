import type { ShownTable } from '../text.ts';

/**
 * A table for fonts in which all characters are equally wide, numbers to the right. `widest` is the width of the widest
 * column; longer cells are cut. Wide characters of East Asia and emoji count as two.
 */
export function columnsOf({ columns, rows }: Pick<ShownTable, 'columns' | 'rows'>, widest: number): string[] {
  const cells = [columns.map(({ name }) => name), ...rows].map((row) => row.map((cell) => fit(cell, widest)));
  const widths = columns.map((_column, at) => Math.max(...cells.map((row) => widthOf(row[at] ?? ''))));
  const lineOf = (row: readonly string[]): string =>
    columns
      .map(({ isNumber }, at) => {
        const cell = row[at] ?? '';
        const space = ' '.repeat((widths[at] ?? 0) - widthOf(cell));
        return isNumber ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  const [head = [], ...others] = cells;
  return [lineOf(head), lineOf(widths.map((width) => '─'.repeat(width))), ...others.map(lineOf)];
}

const CHARACTERS = new Intl.Segmenter('en');
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}|[\ud83c-\ud83e\ud840-\ud87f]/u;
const WIDTHLESS = /^[\p{M}\u200c\u200d]+$/u;

function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of CHARACTERS.segment(text)) width += widthOfOne(segment);
  return width;
}

function widthOfOne(segment: string): number {
  if (WIDTHLESS.test(segment)) return 0;
  return WIDE.test(segment) ? 2 : 1;
}

function fit(text: string, widest: number): string {
  if (widthOf(text) <= widest) return text;
  let kept = '';
  let width = 1;
  for (const { segment } of CHARACTERS.segment(text)) {
    width += widthOfOne(segment);
    if (width > widest) break;
    kept += segment;
  }
  return `${kept}…`;
}
