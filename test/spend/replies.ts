import { parse } from 'csv-parse/sync';

/** Reads replies without losing a digit. */

/** JSON with every number as its text, since JavaScript would round large ones. */
export function exactJson(text: string): Record<string, unknown> {
  const quoted = text.replace(/("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g, (found, isText?: string) =>
    isText === undefined ? `"${found}"` : found,
  );
  return JSON.parse(quoted) as Record<string, unknown>;
}

/** The cells of a CSV file, read by a parser of somebody else. */
export function fileOf(text: string): { header: string[]; cells: string[][] } {
  const [header = [], ...cells] = parse(text);
  return { header, cells: cells.map((row) => row.map(inOrder)) };
}

/** A cell of other counts, which are JSON, in the order of their names. */
function inOrder(cell: string): string {
  if (!cell.startsWith('{"')) return cell;
  const fields = Object.entries(JSON.parse(cell) as Record<string, string>);
  return JSON.stringify(Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))));
}

interface Cell {
  readonly name: string;
  readonly text: string;
}

/** The cells of a row as its file should have them. */
export function cellsOf(row: Readonly<Record<string, unknown>>): Cell[] {
  return Object.entries(row).flatMap(([name, value]): Cell[] => {
    if (value === null) return [{ name, text: '' }];
    if (typeof value === 'string') return [{ name, text: isMeasure(name) ? value : harmless(value) }];
    if (name === 'other_counts') return [{ name, text: inOrder(JSON.stringify(value)) }];
    return cellsOf(value as Record<string, unknown>).map((cell) => ({ name: `${name}_${cell.name}`, text: cell.text }));
  });
}

const MEASURES =
  /^(?:amount|direct|shared|adjustment|previous|change|before|after|volume|mix|price|unmatched|unmatched_amount|usd_per_million|tokens|cache_hit_rate|.*_savings|web_search_requests|cache_creation_.*|.*_tokens)$/;

function isMeasure(name: string): boolean {
  return MEASURES.test(name);
}

/** Programs for tables take a text that begins like this for a formula. */
function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}
