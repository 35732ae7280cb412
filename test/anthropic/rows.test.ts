import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dollarsAt } from '../../anthropic/amount.ts';
import { readCostDays } from '../../anthropic/cost-report.ts';
import { RowMemory } from '../../anthropic/row-memory.ts';
import { parseRow, scanRow, takeRows, type ReportRow, type RowSpan } from '../../anthropic/rows.ts';
import type { AnthropicReader } from '../../anthropic/transport.ts';
import { readUsageDays } from '../../anthropic/usage-report.ts';
import { addDays, toDay } from '../../domain/days.ts';
import { canonicalDimensions, type Json } from '../../domain/lines.ts';
import { centsToDollars } from '../../domain/money.ts';
import { allDays, failureOf } from './support.ts';

const DAY = toDay('2026-11-03');
const NAMES = ['amount', 'results', 'data', 'description', 'model', '}],[{', 'a"b', '\\', '__proto__', 'é☃𝕏', ''];

const text = fc.oneof(fc.constantFrom(...NAMES, '"},{"', '\\"},{\\"', '"amount":"1"'), fc.string({ unit: 'binary' }));
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;
const cents = fc
  .tuple(fc.constantFrom('', '-'), fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.stringMatching(/^(\.\d{1,16})?$/))
  .map(([sign, whole, fraction]) => `${sign}${whole}${fraction}`);
/** The fields of a row, in any order; a few descriptions, so that rows are seen again. */
const fields = fc
  .record({ amount: cents, description: text, workspace_id: fc.option(fc.constantFrom('w1', 'w2')), more: json })
  .chain((row) => fc.shuffledSubarray(Object.entries(row), { minLength: 4 }));

/** JSON with white space where it may be. */
function spelled(value: Json, gap: string): string {
  if (Array.isArray(value))
    return `[${gap}${value.map((item: Json) => spelled(item, gap)).join(`${gap},${gap}`)}${gap}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = Object.entries(value).map(([name, field]) => spelledField(name, field, gap));
  return `{${gap}${inner.join(`${gap},${gap}`)}${gap}}`;
}

function spelledField(name: string, value: Json, gap: string): string {
  return `${JSON.stringify(name)}${gap}:${gap}${spelled(value, gap)}`;
}

function spelledRow(row: readonly (readonly [string, Json])[], gap: string): string {
  return `{${gap}${row.map(([name, value]) => spelledField(name, value, gap)).join(`${gap},${gap}`)}${gap}}`;
}

function bucket(day: string, rows: readonly string[], gap: string): string {
  const results = `"results"${gap}:${gap}[${gap}${rows.join(`${gap},${gap}`)}${gap}]`;
  return `{"note":[{"results":[{"not":"a row"}]}],"starting_at":"${day}T00:00:00Z",${gap}${results},"after":["x"]}`;
}

function pageOf(buckets: readonly string[]): string {
  return `{"has_more":false,"results":[[[[{}]]]],"data":[${buckets.join(',')}],"next_page":null}`;
}

/** A reader whose one reply is this text. */
function reading(reply: string): AnthropicReader {
  return {
    traffic: { requests: 0, bytes: 0 },
    get: (_path, _query, parse) => Promise.resolve(parse(Buffer.from(reply))),
  };
}

describe('rows that are cut out of a page', () => {
  const gap = fc.constantFrom('', ' ', '\n\t ');
  const page = fc.tuple(gap, fc.array(fc.array(fields, { maxLength: 6 }), { minLength: 1, maxLength: 4 }));

  it('are those that parsing the whole page gives, however it is spelled and whatever stands in it', async () => {
    await fc.assert(
      fc.asyncProperty(page, async ([space, days]) => {
        const reply = pageOf(
          // Each day twice over, so that rows are both new and seen before.
          days.map((rows, index) =>
            bucket(
              addDays(DAY, index),
              [...rows, ...rows].map((row) => spelledRow(row, space)),
              space,
            ),
          ),
        );
        const whole = JSON.parse(reply) as { data: { results: { amount: string }[] }[] };
        const wanted = whole.data.map(({ results }) =>
          results.map(({ amount, ...dimensions }) => [
            canonicalDimensions({ ...dimensions, currency: 'USD' }),
            centsToDollars(amount),
          ]),
        );
        const read = await allDays(readCostDays(reading(reply), { from: DAY, to: addDays(DAY, days.length - 1) }));
        expect(
          read.map(({ lines }) => lines.map(({ dimensions, amount }) => [canonicalDimensions(dimensions), amount])),
        ).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it('of a page that ends anywhere before its end are no page', async () => {
    const row = '{"amount":"150","description":"a \\" } ] b","more":{"x":[1]}}';
    const reply = pageOf([bucket(DAY, [row, row], '')]);
    for (let length = 0; length < reply.length; length += 1) {
      const cut = reading(reply.slice(0, length));
      expect((await failureOf(allDays(readCostDays(cut, { from: DAY, to: DAY })))).code, String(length)).toBe(
        'upstream_invalid',
      );
    }
    expect(await allDays(readCostDays(reading(reply), { from: DAY, to: DAY }))).toMatchObject([{ lines: [{}, {}] }]);
  });

  it.each([
    '{"a":1}{"b":2}',
    '{"a":1},',
    ',{"a":1}',
    '{"a":1},,{"b":2}',
    '{"a":1]',
    '{"a":1},null',
    '{"a" 1}',
    '[{}]',
    '1',
  ])('are refused where they are none: %s', async (rows) => {
    for (const read of [readCostDays, readUsageDays]) {
      const reply = reading(pageOf([bucket(DAY, [rows], '')]));
      expect((await failureOf(allDays<unknown>(read(reply, { from: DAY, to: DAY })))).code).toBe('upstream_invalid');
    }
  });

  it('share their dimensions where only the amount differs', async () => {
    const row = (amount: string): string => `{"amount":"${amount}","description":"d","model":"m"}`;
    const days = [bucket(DAY, [row('1'), row('2')], ''), bucket(addDays(DAY, 1), [row('3.5'), row('4')], '')];
    const read = await allDays(readCostDays(reading(pageOf(days)), { from: DAY, to: addDays(DAY, 1) }));
    const lines = read.flatMap((day) => day.lines);
    expect(lines.map(({ amount }) => amount)).toEqual(['0.01', '0.02', '0.035', '0.04']);
    expect(lines[1]?.dimensions).toBe(lines[0]?.dimensions);
    expect(lines[2]?.dimensions).toBe(lines[0]?.dimensions);
  });

  it('say their amount twice at their own risk: the last one counts, as everywhere in JSON', async () => {
    const rows = ['{"amount":"1","amount":"200"}', '{"amount":"1","amount":"300"}', '{"amount":7,"amount":"400"}'];
    const [read] = await allDays(readCostDays(reading(pageOf([bucket(DAY, rows, '')])), { from: DAY, to: DAY }));
    expect(read?.lines.map(({ amount }) => amount)).toEqual(['2', '3', '4']);
  });
});

describe('a memory of rows', () => {
  const AMOUNT = Buffer.from('amount');

  it('gives for every row what parsing it gives, also once it has forgotten most of them', () => {
    const memory = new RowMemory<ReportRow>('amount');
    const padding = 'x'.repeat(2_000);
    let recalled = 0;
    for (let page = 0; page < 3; page += 1) {
      const rows = Array.from(
        { length: 5_000 },
        (_, index) =>
          `{"amount":"${index + page}","description":"${padding}${(index * 7) % 5_000}","n":${page % 2 === 0 ? 1 : index % 2}}`,
      );
      const reader = {
        read(body: Buffer, from: number, span: RowSpan): number {
          const known = memory.recall(body, from, span);
          if (known !== undefined) {
            recalled += 1;
            const fieldsKnown = { ...known, amount: null };
            const fieldsHere = { ...parseRow(body, span), amount: null };
            if (JSON.stringify(fieldsKnown) !== JSON.stringify(fieldsHere)) throw new Error('another row was recalled');
            return Number(body.toString('latin1', span.apartFrom, span.apartTo));
          }
          scanRow(body, from, AMOUNT, span);
          memory.of(body, span, () => parseRow(body, span));
          return Number(body.toString('latin1', span.apartFrom, span.apartTo));
        },
      };
      const body = Buffer.from(pageOf([bucket(DAY, rows, '')]));
      expect(takeRows(body, reader).groups.at(-1)).toEqual(rows.map((_, index) => index + page));
    }
    expect(recalled).toBeGreaterThan(0);
  });
});

describe('an amount in a reply', () => {
  it('is the dollars that exact arithmetic gives, or is left to that', () => {
    const spelling = fc.oneof(
      cents,
      fc.stringMatching(/^-?0{0,5}\d{0,12}(\.\d{0,20})?0{0,5}$/),
      fc.string(),
      fc.stringMatching(/^\d{30,60}\.\d{30,70}$/),
    );
    fc.assert(
      fc.property(spelling, (amount) => {
        const bytes = Buffer.from(amount, 'latin1');
        const dollars = dollarsAt(bytes, 0, bytes.length);
        if (dollars !== null) expect(dollars).toBe(exactly(amount));
        if (/^-?\d{1,38}(\.\d{1,58})?$/.test(amount)) expect(dollars).not.toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });
});

/** By whole numbers alone: the digits with a hundredth more behind the point, without what says nothing. */
function exactly(amount: string): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(amount) ?? [];
  const places = fraction.length + 2;
  const digits = BigInt(whole + fraction)
    .toString()
    .padStart(places + 1, '0');
  const text = `${digits.slice(0, -places)}.${digits.slice(-places)}`.replace(/\.?0+$/, '');
  return text === '0' ? '0' : sign + text;
}
