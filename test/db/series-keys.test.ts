import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeriesKeys, kindsOf } from '../../db/ledger/series-keys.ts';
import type { NewSeries } from '../../domain/day-content.ts';
import {
  CELL_DIMENSIONS,
  COST_DIMENSIONS,
  GROUP_DIMENSIONS,
  TOKEN_TYPES,
  USAGE_DIMENSIONS,
  tokenKind,
  unitText,
} from '../../domain/lines.ts';

type Row = Readonly<Record<string, string | null>>;

/** The series of a page, as the reader of pages gives them: each text once. */
function pageOf(rows: readonly Row[]): NewSeries {
  const texts = [...new Set(rows.flatMap((row) => Object.values(row)))].filter((text) => text !== null).reverse();
  const column = (name: string): Int32Array =>
    Int32Array.from(rows, (row) => {
      const text = row[name] ?? null;
      return text === null ? -1 : texts.indexOf(text);
    });
  return {
    first: 0,
    mayBeKnown: false,
    ids: '0'.repeat(32 * rows.length),
    texts,
    columns: Object.fromEntries(COST_DIMENSIONS.map((name) => [name, column(name)])),
    extra: new Int32Array(rows.length).fill(-1),
  };
}

const text = (row: Row, name: string): string | null => row[name] ?? null;
const groupOf = (row: Row): string => JSON.stringify(GROUP_DIMENSIONS.map((name) => text(row, name)));
const cellOf = (row: Row): string => {
  const tokenType = text(row, 'token_type');
  return JSON.stringify([
    ...CELL_DIMENSIONS.map((name) => text(row, name)),
    tokenKind(tokenType) > 0 ? null : tokenType,
  ]);
};
const unitOf = (row: Row): string => JSON.stringify(USAGE_DIMENSIONS.map((name) => unitText(name, text(row, name))));

/** Whether two rows have the same number exactly where they have the same key. */
function agree(rows: readonly Row[], numbers: readonly number[], keyOf: (row: Row) => string): boolean {
  const pairs = new Set(rows.map((row, at) => `${keyOf(row)} ${numbers[at] ?? -1}`));
  return pairs.size === new Set(rows.map(keyOf)).size && pairs.size === new Set(numbers).size;
}

// Few texts, so that many series share a key. Some stand for others, and an empty one is not an absent one.
const textsOf: Readonly<Record<string, readonly (string | null)[]>> = {
  inference_geo: [null, 'not_available', 'us'],
  token_type: [null, '', 'tool_tokens', ...Object.values(TOKEN_TYPES)],
  model: [null, '', 'a'],
};
const someRow = fc.record(
  Object.fromEntries(COST_DIMENSIONS.map((name) => [name, fc.constantFrom(...(textsOf[name] ?? ['a']))])),
);
const somePages = fc.array(fc.array(someRow, { maxLength: 40 }), { minLength: 1, maxLength: 4 });

describe('series of a reading', () => {
  it('have the same group, cell and unit exactly where they have the same texts, also on different pages', () => {
    fc.assert(
      fc.property(somePages, (pages) => {
        const keys = new SeriesKeys();
        const of = pages.map(pageOf);
        const rows = pages.flat();
        expect(
          agree(
            rows,
            of.flatMap((page) => [...keys.groupsOf(page)]),
            groupOf,
          ),
        ).toBe(true);
        expect(
          agree(
            rows,
            of.flatMap((page) => [...keys.cellsOf(page)]),
            cellOf,
          ),
        ).toBe(true);
        expect(
          agree(
            rows,
            of.flatMap((page) => [...keys.unitsOf(page)]),
            unitOf,
          ),
        ).toBe(true);
      }),
    );
  });

  it('have units whose ids are digests of their texts, and the kinds of their token types', () => {
    fc.assert(
      fc.property(fc.array(someRow, { maxLength: 40 }), (rows) => {
        const keys = new SeriesKeys();
        const ids = Array.from(keys.unitsOf(pageOf(rows)), (unit) => keys.unitId(unit));
        expect(ids).toEqual(rows.map((row) => hash('sha256', unitOf(row), 'hex').slice(0, 32)));
        expect([...kindsOf(pageOf(rows))]).toEqual(rows.map((row) => tokenKind(text(row, 'token_type'))));
      }),
    );
  });

  it('may have thousands of different keys', () => {
    const keys = new SeriesKeys();
    const rows = Array.from({ length: 5000 }, (_, at) => ({
      model: `m${Math.floor(at / 2)}`,
      workspace_id: `w${Math.floor(at / 2) % 7}`,
      currency: 'USD',
    }));
    const numbers = [...keys.groupsOf(pageOf(rows))];
    expect(agree(rows, numbers, groupOf)).toBe(true);
    expect(new Set(numbers).size).toBe(2500);
    expect([...keys.groupsOf(pageOf(rows.slice(4000)))]).toEqual(numbers.slice(4000));
  });
});
