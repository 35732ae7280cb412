import { describe, expect, it } from 'vitest';
import { addDays, type Day } from '../../domain/days.ts';
import { totalOfContent } from '../../domain/day-content.ts';
import { PageError } from '../../pages/failure.ts';
import { beginReading, type ReadPage } from '../../pages/reading.ts';
import { SeriesRead } from '../support/pages.ts';
import { DAY, bucket, costRows, ofPage, pageOf, readDaysOf, textIn } from './support.ts';

const NEXT = addDays(DAY, 1);
const row = (amount: string, description: string): string => `{"amount":"${amount}","description":"${description}"}`;
/** A page with one bucket. */
const page = (day: Day, rows: readonly string[], next: string | null = null): Buffer<ArrayBuffer> =>
  Buffer.from(pageOf([bucket(day, rows)], next));

/** The amounts of days by the descriptions of their lines. */
function amountsIn({ days }: ReadPage, series: SeriesRead): Record<string, Record<string, string>> {
  return Object.fromEntries(
    days.map(({ day, content }) => [
      day,
      Object.fromEntries(
        series.costLines(content).map(({ dimensions, amount }) => [textIn(dimensions['description']), amount]),
      ),
    ]),
  );
}

describe('the pages of a query', () => {
  it('give each day once, joined where it goes on, and each series once', () => {
    const reading = beginReading('cost');
    const series = new SeriesRead();
    const first = reading.read(page(DAY, [row('1', 'a'), row('2', 'b')], 'p2'), { from: DAY, to: addDays(DAY, 2) });
    expect(first).toMatchObject({
      days: [],
      lines: 2,
      buckets: 1,
      token: 'p2',
      series: { first: 0, mayBeKnown: false },
    });
    series.add(first.series);
    const second = reading.read(page(DAY, [row('3', 'b'), row('4', 'c')], 'p3'), null);
    expect(second).toMatchObject({ days: [], series: { first: 2, mayBeKnown: false } });
    series.add(second.series);
    const third = reading.read(page(NEXT, [row('5', 'c')]), null);
    expect(third.series.ids).toBe('');
    expect(third.token).toBeNull();
    expect(amountsIn(third, series)).toEqual({
      [DAY]: { a: '0.01', b: '0.05', c: '0.04' },
      [NEXT]: { c: '0.05' },
      [addDays(DAY, 2)]: {},
    });
    // A new query knows the series of the last one.
    const again = reading.read(page(NEXT, [row('6', 'a')]), { from: NEXT, to: NEXT });
    expect(amountsIn(again, series)).toEqual({ [NEXT]: { a: '0.06' } });
    expect(again.series).toMatchObject({ ids: '', mayBeKnown: false });
  });

  it('give the same content as one page with all rows', () => {
    const rows = Array.from({ length: 60 }, (_, index) => row(String(index), `d${index % 25}`));
    const reading = beginReading('cost');
    const window = { from: DAY, to: DAY };
    reading.read(page(DAY, rows.slice(0, 20), 'a'), window);
    reading.read(page(DAY, rows.slice(20, 41), 'b'), null);
    const [joined] = reading.read(page(DAY, rows.slice(41)), null).days;
    const [whole] = readDaysOf('cost', [rows]).days;
    expect(joined?.content).toMatchObject({ digest: whole?.content.digest, series: whole?.content.series });
    const counts = rows.map((_, index) => `{"output_tokens":${index},"x":${index % 3},"model":"m${index % 7}"}`);
    const usage = beginReading('usage');
    usage.read(page(DAY, counts.slice(0, 33), 'a'), window);
    const [one] = usage.read(page(DAY, counts.slice(33)), null).days;
    expect(one?.content).toEqual(readDaysOf('usage', [counts]).days[0]?.content);
  });

  it('may lie in the same memory, one after the other', () => {
    const reading = beginReading('cost');
    const series = new SeriesRead();
    const body = Buffer.alloc(4_096, ' ');
    const texts = [row('1', 'a'), row('2', 'b').replace('{', '{"zone":"z",'), row('4', 'a')];
    const read = texts.map((text, at) => {
      body.fill(' ');
      body.set(page(addDays(DAY, at), [text], at === 2 ? null : `t${at}`));
      const given = reading.read(body, at === 0 ? { from: DAY, to: addDays(DAY, 2) } : null);
      series.add(given.series);
      return amountsIn(given, series);
    });
    expect(Object.assign({}, ...read)).toEqual({
      [DAY]: { a: '0.01' },
      [NEXT]: { b: '0.02' },
      [addDays(DAY, 2)]: { a: '0.04' },
    });
  });

  it('may not name a page that was read already, but a new query may', () => {
    const reading = beginReading('cost');
    const window = { from: DAY, to: NEXT };
    reading.read(page(DAY, [], 'again'), window);
    expect(() => reading.read(page(DAY, [], 'again'), null)).toThrow(PageError);
    expect(reading.read(page(DAY, [], 'again'), window).token).toBe('again');
  });
});

describe('two series whose ids begin with the same 32 bits', () => {
  const [one, other] = ['d44478', 'd44644'];

  it('stay two lines in the order of their whole ids, whatever the order of rows', () => {
    const rows = [row('1', one), row('2', other), row('4', one), row('8', other), row('16', 'x'), row('32', one)];
    const wanted = ofPage(readDaysOf('cost', [rows]))[0] ?? [];
    const ids = wanted.map(([id]) => id);
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids.map((id) => id.slice(0, 8))).size).toBe(2);
    expect(new Set(ids).size).toBe(3);
    for (const ordered of [[...rows].reverse(), [...rows.slice(1), ...rows.slice(0, 1)], [...rows].sort()]) {
      const read = readDaysOf('cost', [ordered]);
      expect(ofPage(read)).toEqual([wanted]);
      expect(read.days[0]?.content.digest).toEqual(readDaysOf('cost', [rows]).days[0]?.content.digest);
    }
    const amounts = Object.fromEntries(
      costRows(...rows).map((line): [string, string] => [textIn(line.dimensions['description']), line.amount]),
    );
    expect(amounts).toEqual({ [one]: '0.37', [other]: '0.1', x: '0.16' });
  });
});

describe('the series of a reading', () => {
  /** 26 MB of dimensions that no other page has: their spellings are more than are kept. */
  const large = (name: string): string[] =>
    Array.from({ length: 1_000 }, (_, index) => row('9', `${name} ${'x'.repeat(26_000)} ${index}`));
  const reading = (): ((rows: readonly string[]) => ReadPage) => {
    const begun = beginReading('cost');
    return (rows) => begun.read(page(DAY, rows), { from: DAY, to: DAY });
  };
  const small = [row('1', 'a'), row('2', 'b'), row('3', 'a')];

  it('stay known once their spellings are dropped, and ids and sums stay right', () => {
    const read = reading();
    const before = read(small);
    const { series, days } = read(large('p'));
    expect(series).toMatchObject({ first: 2, mayBeKnown: false });
    expect(days.map(({ content }) => totalOfContent(content))).toEqual(['90']);
    const after = read([row('2', 'b'), row('3', 'a'), row('1', 'a')]);
    expect(after.series).toMatchObject({ ids: '', mayBeKnown: false });
    expect(after.days).toEqual(before.days);
    expect(read([row('1', 'c')]).series).toMatchObject({ first: 1_002, mayBeKnown: false });
    expect(read(small).days).toEqual(before.days);
  });

  it('are dropped between queries once they are very many, and ids and sums stay right', () => {
    const PAGES = 3;
    const ROWS = 200_000;
    const read = reading();
    const before = read(small);
    for (let at = 0; at < PAGES; at += 1) {
      const { series, days } = read(Array.from({ length: ROWS }, (_, index) => row('100', `${at} ${index}`)));
      expect(series).toMatchObject({ first: 2 + at * ROWS, mayBeKnown: false });
      expect(days.map(({ content }) => totalOfContent(content))).toEqual([String(ROWS)]);
    }
    const places = 2 + PAGES * ROWS;
    const after = read(small);
    expect(after.series).toMatchObject({ first: places, mayBeKnown: true, ids: before.series.ids });
    expect(ofPage(after)).toEqual(ofPage(before));
    expect(after.days[0]?.content.digest).toEqual(before.days[0]?.content.digest);
    // Known again.
    expect(read(small).series.ids).toBe('');
    expect(read([row('1', 'c')]).series).toMatchObject({ first: places + 2, mayBeKnown: true });
  });

  it('are one for the same dimensions, however rows spell them', () => {
    const read = reading();
    const spelled = ['{"amount":"1","description":"a","model":null}', '{"description":"\\u0061","amount":"2"}'];
    const given = read([row('4', 'a'), ...spelled]);
    expect(given.series.ids).toHaveLength(32);
    expect(given.days.map(({ content }) => totalOfContent(content))).toEqual(['0.07']);
  });

  it('lose their spellings also in the middle of a query, and a day that goes on stays right', () => {
    const begun = beginReading('cost');
    const series = new SeriesRead();
    const DAYS = 3;
    const window = { from: DAY, to: addDays(DAY, DAYS - 1) };
    const sums: Record<string, string> = {};
    for (let at = 0; at < DAYS; at += 1) {
      // Each page ends within a day, which the next page ends.
      const day = addDays(DAY, at);
      const last = page(day, [row('1', 'shared'), ...large(`p${at}`)], `t${at}`);
      const read = begun.read(last, at === 0 ? window : null);
      const rest = begun.read(page(day, [row('2', 'shared'), row('5', 'e')], at === DAYS - 1 ? null : `u${at}`), null);
      for (const each of [read, rest]) {
        series.add(each.series);
        for (const { day: whole, content } of each.days) {
          sums[whole] = totalOfContent(content);
          const shared = series.costLines(content).filter(({ dimensions }) => dimensions['description'] === 'shared');
          expect(shared.map(({ amount }) => amount)).toEqual(['0.03']);
        }
      }
    }
    expect(Object.values(sums)).toEqual(Array.from({ length: DAYS }, () => '90.08'));
  });
});
