import { describe, expect, it } from 'vitest';
import { PageError } from '../../pages/failure.ts';
import { costOf, costRows, readDaysOf, usageOf, usageRows, textIn } from './support.ts';

const MEBIBYTE = 2 ** 20;
const COUNT = 250_000;

/** What reading a day with this row is refused with. */
function refusalOf(report: 'cost' | 'usage', ...rows: readonly string[]): string {
  try {
    readDaysOf(report, [rows]);
  } catch (error) {
    if (error instanceof PageError) return error.message;
    throw error;
  }
  return 'it was read';
}

describe('a row of any size', () => {
  it.each(['cost', 'usage'] as const)('of %s that nests too deep is refused with a sentence', (report) => {
    for (const deep of [
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
    ]) {
      expect(refusalOf(report, `{"amount":"1","odd":${deep}}`)).toBe('the reply nests more than 100 deep');
    }
    const room = 100 - 5;
    expect(readDaysOf(report, [[`{"amount":"1","odd":${'['.repeat(room)}${']'.repeat(room)}}`]]).lines).toBe(1);
    expect(readDaysOf(report, [[`{"amount":"1","odd":${'{"a":'.repeat(room)}1${'}'.repeat(room)}}`]]).lines).toBe(1);
  });

  it('with a number of very many digits is refused without quoting it', () => {
    for (const length of [500_000, 10_000_000]) {
      const digits = '1'.repeat(length);
      for (const refusal of [
        refusalOf('cost', `{"amount":"${digits}"}`),
        refusalOf('cost', `{"amount":${digits}}`),
        refusalOf('cost', `{"amount":"1e${digits}"}`),
        refusalOf('usage', `{"output_tokens":${digits}}`),
        refusalOf('usage', `{"x":${digits}}`),
      ]) {
        expect(refusal).toMatch(/^[^1]{10,100}$|^a report row is longer than 1 MiB$/);
      }
    }
  });

  it.each(['cost', 'usage'] as const)('of %s of more than one mebibyte is refused with a sentence', (report) => {
    const row = (length: number): string => {
      const around = '{"amount":"100","model":""}'.length;
      return `{"amount":"100","model":"${'x'.repeat(length - around)}"}`;
    };
    expect(refusalOf(report, row(MEBIBYTE + 1))).toBe('a report row is longer than 1 MiB');
    expect(refusalOf(report, row(30_000_000))).toBe('a report row is longer than 1 MiB');
    // One of that size is read, and so are the rows behind it.
    const read = report === 'cost' ? costRows : usageRows;
    const lines = read(row(MEBIBYTE), '{"amount":"100","model":"a"}', '{"amount":"100","model":"a"}');
    expect(lines.map(({ dimensions }) => textIn(dimensions['model']).length).sort((a, b) => a - b)).toEqual([
      1,
      MEBIBYTE - 27,
    ]);
  });

  it('of cost without an amount is refused, also where the row before it has one', () => {
    const refusal = 'an amount is not a decimal number in text';
    for (const without of [
      '{}',
      '{"model":"m"}',
      '{"amount":null}',
      '{"amount":1}',
      '{"amount":""}',
      '{"amount":{}}',
    ]) {
      expect(refusalOf('cost', without)).toBe(refusal);
      expect(refusalOf('cost', '{"amount":"1","model":"m"}', without)).toBe(refusal);
    }
    expect(usageRows('{}')).toMatchObject([{ dimensions: {}, extraCounts: {} }]);
  });

  it('is read among a quarter of a million tiny ones, which add up', () => {
    const rows = Array.from({ length: COUNT }, (_, index) => (index % 2 === 0 ? '{"amount":"1"}' : '{"amount":"5.0"}'));
    const [costs] = costOf(readDaysOf('cost', [rows]));
    expect(costs).toEqual([{ dimensions: { currency: 'USD' }, amount: '7500' }]);
    const [used] = usageOf(
      readDaysOf('usage', [Array.from({ length: COUNT }, () => '{"output_tokens":9007199254740}')]),
    );
    expect(used?.map(({ counts }) => counts.output_tokens)).toEqual([2251799813685000000n]);
  });

  it('is refused among more of them, before they take much memory', () => {
    const row = { cost: '{"amount":"1"}', usage: '{"output_tokens":1}' };
    for (const report of ['cost', 'usage'] as const) {
      const rows = Array.from({ length: COUNT + 1 }, () => row[report]);
      expect(refusalOf(report, rows.join())).toBe('the report has more than 250,000 rows on a page');
    }
  });
});

describe('the fields of rows', () => {
  const named = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, index) => `"f${from + index}":"x"`).join(',');

  it.each(['cost', 'usage'] as const)(
    'of %s may be 256 different ones, and more are refused with a sentence',
    (report) => {
      const refusal = 'its rows have more than 256 different fields';
      expect(refusalOf(report, `{"amount":"1",${named(0, 255)}}`)).toBe('it was read');
      expect(refusalOf(report, `{"amount":"1",${named(0, 256)}}`)).toBe(refusal);
      const some = (from: number): string => `{"amount":"1",${named(from, from + 50)}}`;
      expect(refusalOf(report, some(0), some(50), some(100), some(150), some(200))).toBe('it was read');
      expect(refusalOf(report, some(0), some(50), some(100), some(150), some(200), some(206))).toBe(refusal);
    },
  );

  it('are all kept, in whichever row they come', () => {
    const rows = Array.from({ length: 255 }, (_, index) => `{"f${index}":"${index}","amount":"${index + 1}"}`);
    const lines = costRows(...rows, ...rows.reverse());
    expect(lines).toHaveLength(255);
    for (const { dimensions, amount } of lines) {
      const [[name, value] = ['', ''], ...others] = Object.entries(dimensions).filter(([each]) => each !== 'currency');
      expect([name, Math.round(Number(amount) * 100), others]).toEqual([
        `f${textIn(value)}`,
        2 * (Number(value) + 1),
        [],
      ]);
    }
  });

  it('may have names of any length', () => {
    for (const length of [255, 256, 257, 5_000, 100_000]) {
      const name = 'n'.repeat(length);
      expect(costRows(`{"amount":"1","${name}":"v"}`, `{"amount":"2","${name}":"v"}`)).toEqual([
        { dimensions: { currency: 'USD', [name]: 'v' }, amount: '0.03' },
      ]);
      expect(refusalOf('usage', `{"${name}_tokens":-1}`).length).toBeLessThan(130);
    }
  });
});
