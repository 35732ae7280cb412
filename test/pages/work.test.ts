import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Json, Report } from '../../domain/lines.ts';
import { beginReading } from '../../pages/reading.ts';
import { DAY, bucket, counted, pageOf, spelledRow } from './support.ts';

/**
 * How often a byte is looked at, at most: once by the reader, once more to compare it with the series that are known, and
 * of what is new once to parse it and once to keep it.
 */
const MOST_STEPS = 4;
const ROWS = 320;

type RowOf = (index: number) => string;

function fieldsOf(index: number): Record<string, Json> {
  return {
    amount: `${index}.${index % 7}`,
    description: `Model ${index % 11} Usage`,
    currency: 'USD',
    workspace_id: `wrkspc_${index % 17}`,
  };
}

const compact: RowOf = (index) => JSON.stringify(fieldsOf(index));
const gapOf =
  (gap: string): RowOf =>
  (index) =>
    spelledRow(Object.entries(fieldsOf(index)), gap);
const withField =
  (json: string): RowOf =>
  (index) =>
    `${compact(index).slice(0, -1)},${json}}`;
/** The fields of the compact row, beginning with another one in each row. */
const turned: RowOf = (index) => {
  const entries = Object.entries(fieldsOf(index));
  const first = index % entries.length;
  return spelledRow([...entries.slice(first), ...entries.slice(0, first)], '');
};
const reversed: RowOf = (index) => {
  const entries = Object.entries(fieldsOf(index));
  return spelledRow(index % 2 === 0 ? entries : entries.reverse(), '');
};
const unique: RowOf = (index) => `{"amount":"1","description":"${hash('sha256', String(index))}","model":"m"}`;

/** The steps that a page with these rows takes, and its bytes. */
function stepsOf(report: Report, rows: readonly string[], gap: string): { steps: number; bytes: number } {
  const page = pageOf([bucket(DAY, rows, gap)]);
  const { body, steps } = counted(page);
  expect(beginReading(report).read(body, { from: DAY, to: DAY }).lines).toBe(rows.length);
  return { steps: steps(), bytes: Buffer.byteLength(page) };
}

function expectLittleWork(report: Report, rows: readonly string[], gap: string): void {
  const [few, all] = [stepsOf(report, rows.slice(0, rows.length / 4), gap), stepsOf(report, rows, gap)];
  expect(all.steps / few.steps).toBeLessThan((all.bytes / few.bytes) * 1.05);
  expect(all.steps / all.bytes).toBeLessThan(MOST_STEPS);
}

describe('the work for a row of cost', () => {
  it.each<[string, RowOf, string]>([
    ['compact', compact, ''],
    ['with spaces', gapOf(' '), ' '],
    ['with a space behind colons and commas', (index) => compact(index).replace(/(":|",)/g, '$1 '), ''],
    ['pretty', gapOf('\n        '), '\n      '],
    ['with tabs', gapOf('\r\n\t'), '\t'],
    ['in very much space', gapOf(' '.repeat(100)), ''],
    ['each otherwise', (index) => gapOf(' '.repeat(index % 5))(index), ''],
    ['with the fields in another order in each row', turned, ''],
    ['with the fields backwards in every second row', reversed, ''],
    ['with the amount at the end', (index) => compact(index).replace(/\{("amount":"[^"]*"),(.*)\}/, '{$2,$1}'), ''],
    ['with the amount in another form', (index) => compact(index).replace(/"amount":"[^"]*"/, '"amount":"1e3"'), ''],
    ['with the name of the amount escaped', (index) => compact(index).replace('"amount"', '"\\u0061mount"'), ''],
    ['with the amount twice', withField('"amount":"7"'), ''],
    ['with a dimension twice', withField('"description":"other"'), ''],
    ['with an amount in another field', (index) => `{"more":{"amount":"1"},${compact(index).slice(1)}`, ''],
    ['with what looks like an end', withField('"more":[{"a":1},{"b":2}]'), ''],
    ['with a long text', (index) => withField(`"more":"${'x'.repeat(2_000)}${index}"`)(index), ''],
    ['with a long text that stays the same', withField(`"more":"${'x'.repeat(2_000)}"`), ''],
    ['with a long name', withField(`"${'x'.repeat(300)}":"1"`), ''],
    ['with escapes', withField('"more":"\\u00e9\\"\\\\"'), ''],
    ['with nulls', withField('"a":null,"b":null,"c":null'), ''],
    ['one of them in a field of its own', (index) => (index === 9 ? withField('"n":[1]')(index) : compact(index)), ''],
    ['with 200 different fields in all', (index) => withField(`"field${index % 200}":"${index % 3}"`)(index), ''],
    ['all alike', () => compact(1), ''],
    ['all new, shuffled', unique, ''],
    ['tiny', (index) => `{"amount":"${index}"}`, ''],
    ['tiny and in another field each', (index) => `{"amount":"1","f${index % 200}":"x"}`, ''],
  ])('does not grow with its page: %s', (_what, rowOf, gap) => {
    expectLittleWork(
      'cost',
      Array.from({ length: ROWS }, (_, index) => rowOf(index)),
      gap,
    );
  });

  it.each<[string, (rows: string[]) => string[]]>([
    ['sorted', (rows) => rows.sort()],
    ['sorted backwards', (rows) => rows.sort().reverse()],
    ['each row four times, one behind the other', (rows) => rows.flatMap((row) => [row, row, row, row])],
    ['each row four times, far from each other', (rows) => [...rows, ...rows, ...rows, ...rows]],
  ])('does not depend on the order of rows: %s', (_how, ordered) => {
    expectLittleWork('cost', ordered(Array.from({ length: ROWS }, (_, index) => unique(index))), '');
  });

  it('is as little for a byte of a page with spaces as of a compact one', () => {
    const perByte = (gap: string): number => {
      const { steps, bytes } = stepsOf(
        'cost',
        Array.from({ length: ROWS }, (_, index) => gapOf(gap)(index)),
        gap,
      );
      return steps / bytes;
    };
    for (const gap of [' ', '\n  ', '\n        ', '\t']) expect(perByte(gap) / perByte('')).toBeLessThan(1.15);
  });
});

describe('the work for a row of usage', () => {
  const usage = (index: number): Record<string, Json> => ({
    uncached_input_tokens: index,
    cache_creation: { ephemeral_5m_input_tokens: index * 7, ephemeral_1h_input_tokens: 0 },
    output_tokens: index * 1_000,
    server_tool_use: { web_search_requests: 1, x_requests: index % 3 },
    model: `m${index % 7}`,
    service_tier: null,
  });

  it.each<[string, RowOf, string]>([
    ['compact', (index) => spelledRow(Object.entries(usage(index)), ''), ''],
    ['with spaces', (index) => spelledRow(Object.entries(usage(index)), ' '), ' '],
    ['pretty', (index) => spelledRow(Object.entries(usage(index)), '\n        '), '\n        '],
    [
      'backwards in every second row',
      (index) =>
        spelledRow(index % 2 === 0 ? Object.entries(usage(index)) : Object.entries(usage(index)).reverse(), ''),
      '',
    ],
    ['all alike', () => spelledRow(Object.entries(usage(1)), ''), ''],
    ['all new', (index) => spelledRow(Object.entries({ ...usage(1), model: hash('sha256', String(index)) }), ''), ''],
    [
      'with counts that have many digits',
      (index) => `{"output_tokens":${2 ** 53 - 1 - index},"x":${2 ** 52 + index}}`,
      '',
    ],
    ['with tokens in text', (index) => `{"max_tokens":"0-200k","a_tokens":"many ${index}"}`, ''],
  ])('does not grow with its page: %s', (_what, rowOf, gap) => {
    expectLittleWork(
      'usage',
      Array.from({ length: ROWS }, (_, index) => rowOf(index)),
      gap,
    );
  });
});
