import { expect } from 'vitest';
import type { Query } from './query.ts';
import { cellsOf, exactJson, fileOf } from './replies.ts';

/** Compares what the API answers with the rows that it should give, in pages and as a file. */

type Row = Readonly<Record<string, unknown>>;

/** What a query should give. */
export interface Expected {
  readonly rows: readonly Row[];
  /** What every page says. */
  readonly always: Row;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Asks a query of the API, with these parameters besides its own. */
export type Ask = (more: Readonly<Record<string, string>>) => Promise<Answer>;

/** Pages after these are not asked for. */
const MOST_PAGES = 4;

/** Returns an answer that is no failure. */
export function expectAnswer(answer: Answer): Answer {
  expect([answer.status, answer.status === 200 ? '' : answer.text]).toEqual([200, '']);
  return answer;
}

/** Asks for the first pages, and compares each with its part of all rows. */
export async function expectPages(
  ask: Ask,
  { limit, order }: Pick<Query, 'limit' | 'order'>,
  { rows, always }: Expected,
): Promise<void> {
  let after = {};
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { data, next, as_of: asOf, ...said } = exactJson(expectAnswer(await ask(after)).text);
    const end = (page + 1) * limit;
    expect(data).toEqual(rows.slice(page * limit, end));
    expect(said).toEqual(always);
    expect(asOf === null || typeof asOf === 'string').toBe(true);
    const isLast = order === '-amount' || end >= rows.length;
    expect(next === null).toBe(isLast);
    if (isLast) return;
    after = { after: String(next) };
  }
}

/** Asks for all rows as CSV, and compares all but the totals, which each report spells in its own way. Returns the headers. */
export async function expectFile(ask: Ask, { rows, always }: Expected): Promise<Headers> {
  const { text, headers } = expectAnswer(await ask({ format: 'csv' }));
  const { header, cells } = fileOf(text);
  expect(cells).toEqual(rows.map((row) => cellsOf(row).map((cell) => cell.text)));
  const [first] = rows;
  if (first !== undefined) expect(header).toEqual(cellsOf(first).map(({ name }) => name));
  for (const name of ['provisional', 'missing', 'uncovered']) {
    expect(headers.get(`meterline-${name}-days`)).toBe(always[`${name}_days`]);
  }
  return headers;
}
