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
import { MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS, centsToDollars, toDecimal } from '../../domain/money.ts';
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

  it('equal the rows of the parsed page, with any spacing and content', async () => {
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
            centsToDollars(toDecimal(amount)),
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

  it('of a page that is cut short anywhere are refused', async () => {
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
  ])('are refused where they are not JSON objects: %s', async (rows) => {
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

  it('may have two amounts: the last one counts, as in JSON.parse', async () => {
    const rows = ['{"amount":"1","amount":"200"}', '{"amount":"1","amount":"300"}', '{"amount":7,"amount":"400"}'];
    const [read] = await allDays(readCostDays(reading(pageOf([bucket(DAY, rows, '')])), { from: DAY, to: DAY }));
    expect(read?.lines.map(({ amount }) => amount)).toEqual(['2', '3', '4']);
  });
});

/** A page that counts what is looked at in it: a step for each byte, also for those that a search or a copy goes over. */
function counted(text: string): { body: Buffer; steps: () => number } {
  const page = Buffer.from(text);
  let steps = 0;
  const methods = {
    indexOf(what: Buffer, from: number): number {
      const found = page.indexOf(what, from);
      steps += (found < 0 ? page.length : found) - from;
      return found;
    },
    toString(encoding: BufferEncoding, from: number, to = page.length): string {
      steps += to - from;
      return page.toString(encoding, from, to);
    },
    compare(other: Buffer, start: number, end: number, from: number, to: number): number {
      steps += to - from;
      return page.compare(other, start, end, from, to);
    },
    copy(target: Buffer, at: number, from: number, to: number): number {
      steps += to - from;
      return page.copy(target, at, from, to);
    },
    subarray: page.subarray.bind(page),
  };
  const body = new Proxy(page, {
    get(target, name): unknown {
      if (typeof name === 'string' && /^\d/.test(name)) {
        steps += 1;
        return target[Number(name)];
      }
      return Reflect.get(name in methods ? methods : target, name);
    },
  });
  return { body, steps: () => steps };
}

/** A reader of one page, and the steps that it took. */
async function stepsOf(
  read: typeof readCostDays | typeof readUsageDays,
  rows: readonly string[],
  gap: string,
): Promise<number> {
  const { body, steps } = counted(pageOf([bucket(DAY, rows, gap)]));
  const reader: AnthropicReader = {
    traffic: { requests: 0, bytes: 0 },
    get: (_path, _query, parse) => Promise.resolve(parse(body)),
  };
  const [day] = await allDays<{ lines: unknown[] }>(read(reader, { from: DAY, to: DAY }));
  expect(day?.lines).toHaveLength(rows.length);
  return steps();
}

describe('the work for a row', () => {
  const fieldsOf = (index: number): Record<string, Json> => ({
    amount: `${index}.${index % 7}`,
    description: `Model ${index % 11} Usage`,
    currency: 'USD',
    workspace_id: `wrkspc_${index % 17}`,
  });
  const compact = (index: number): string => JSON.stringify(fieldsOf(index));
  const inOrder = (...names: string[]): ((index: number) => string) => {
    return (index) => JSON.stringify(Object.fromEntries(names.map((name) => [name, fieldsOf(index)[name] ?? null])));
  };
  const gapOf = (gap: string) => (index: number) => spelledRow(Object.entries(fieldsOf(index)), gap);
  const withField = (json: string) => (index: number) => `${compact(index).slice(0, -1)},${json}}`;

  it.each<[string, (index: number) => string, string]>([
    ['compact', compact, ''],
    ['with spaces', gapOf(' '), ' '],
    ['with a space behind colons and commas', (index) => compact(index).replace(/(":|",)/g, '$1 '), ''],
    ['pretty', gapOf('\n        '), '\n      '],
    ['with tabs', gapOf('\r\n\t'), '\t'],
    ['in very much space', gapOf(' '.repeat(300)), ''],
    ['each otherwise', (index) => spelledRow(Object.entries(fieldsOf(index)), ' '.repeat(index % 5)), ''],
    ['with the amount at the end', inOrder('currency', 'description', 'workspace_id', 'amount'), ''],
    ['with the amount in another form', (index) => compact(index).replace(/"amount":"[^"]*"/, '"amount":"1e3"'), ''],
    ['with the name of the amount escaped', (index) => compact(index).replace('"amount"', '"\\u0061mount"'), ''],
    ['with the amount twice', withField('"amount":"7"'), ''],
    ['with an amount in another field', (index) => `{"more":{"amount":"1"},${compact(index).slice(1)}`, ''],
    ['with what looks like an end', withField('"more":[{"a":1},{"b":2}]'), ''],
    ['with a long text', (index) => withField(`"more":"${'x'.repeat(9_000)}${index}"`)(index), ''],
    [
      'one of them in a field of its own',
      (index) => (index === 9 ? withField('"new":[1]')(index) : compact(index)),
      '',
    ],
    ['tiny', (index) => `{"amount":"${index}"}`, ''],
  ])('does not grow with its page: %s', async (_what, rowOf, gap) => {
    const rows = Array.from({ length: 320 }, (_, index) => rowOf(index));
    const few = rows.slice(0, 80);
    const bytes = rows.join().length / few.join().length;
    const [least, most] = [await stepsOf(readCostDays, few, gap), await stepsOf(readCostDays, rows, gap)];
    expect(most / least).toBeLessThan(bytes * 1.25);
    // As often as a row is looked at, whatever its spelling, and what of it is written down.
    expect(most).toBeLessThan(6 * pageOf([bucket(DAY, rows, gap)]).length);
  });

  it.each(['', ' ', '\n        '])('of usage does not grow with its page either: %j', async (gap) => {
    const rows = Array.from({ length: 320 }, (_, index) =>
      spelledRow(Object.entries({ output_tokens: index, more: { x_requests: 1 }, model: `m${index % 7}` }), gap),
    );
    const [least, most] = [
      await stepsOf(readUsageDays, rows.slice(0, 80), gap),
      await stepsOf(readUsageDays, rows, gap),
    ];
    expect(most / least).toBeLessThan(5);
  });

  it('is as little for a page with spaces as for a compact one, once its rows are cached', async () => {
    const rows = Array.from({ length: 200 }, (_, index) => fieldsOf(index % 20));
    const stepsWith = async (gap: string): Promise<number> => {
      const texts = rows.map((row) => spelledRow(Object.entries(row), gap));
      return (await stepsOf(readCostDays, texts, gap)) / texts.join('').length;
    };
    // One search through the page finds that it is spelled otherwise.
    expect((await stepsWith(' ')) / (await stepsWith(''))).toBeLessThan(1.5);
  });
});

describe('a row of any size', () => {
  const costOf = async (row: string): Promise<{ lines: unknown[] }[]> =>
    allDays(readCostDays(reading(pageOf([bucket(DAY, [row], '')])), { from: DAY, to: DAY }));
  const usageOf = async (row: string): Promise<{ lines: unknown[] }[]> =>
    allDays(readUsageDays(reading(pageOf([bucket(DAY, [row], '')])), { from: DAY, to: DAY }));

  it.each([costOf, usageOf])('that nests too deep is refused with a sentence', async (read) => {
    for (const deep of [
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
    ]) {
      const failure = await failureOf(read(`{"amount":"1","odd":${deep}}`));
      expect(failure).toMatchObject({ code: 'upstream_invalid', detail: 'the reply nests more than 100 deep' });
    }
    const room = 100 - 5;
    expect(await read(`{"amount":"1","odd":${'['.repeat(room)}${']'.repeat(room)}}`)).toMatchObject([{ lines: [{}] }]);
  });

  it('with a number of ten million digits is refused without quoting it', async () => {
    const digits = '1'.repeat(10_000_000);
    for (const failing of [
      costOf(`{"amount":"${digits}"}`),
      costOf(`{"amount":${digits}}`),
      usageOf(`{"output_tokens":${digits}}`),
      usageOf(`{"x":${digits}}`),
    ]) {
      const failure = await failureOf(failing);
      expect(failure.code).toBe('upstream_invalid');
      expect(failure.message.length).toBeLessThan(300);
    }
  });

  it('of thirty megabytes is read, and so is the row behind it', async () => {
    const large = 'x'.repeat(30_000_000);
    const row = (text: string): string => `{"amount":"100","description":"${text}"}`;
    const [day] = await allDays(
      readCostDays(reading(pageOf([bucket(DAY, [row(large), row('a'), row('a')], '')])), { from: DAY, to: DAY }),
    );
    expect(day?.lines.map(({ dimensions }) => canonicalDimensions(dimensions).length)).toEqual([30_000_035, 36, 36]);
    expect(await usageOf(`{"output_tokens":1,"model":"${large}"}`)).toMatchObject([{ lines: [{}] }]);
  });
});

describe('the cache of rows', () => {
  const AMOUNT = Buffer.from('amount');

  it('gives the same result as parsing for every row, also after it has dropped most rows', () => {
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
            return Number(body.toString('latin1', span.valueFrom, span.valueTo));
          }
          scanRow(body, from, AMOUNT, span);
          memory.of(body, span, () => parseRow(body, span));
          return Number(body.toString('latin1', span.valueFrom, span.valueTo));
        },
      };
      const body = Buffer.from(pageOf([bucket(DAY, rows, '')]));
      expect(takeRows(body, reader).groups.at(-1)).toEqual(rows.map((_, index) => index + page));
    }
    expect(recalled).toBeGreaterThan(0);
  });
});

describe('an amount in a reply', () => {
  const PLAIN = new RegExp(`^-?\\d{1,${MAX_WHOLE_DIGITS}}(\\.\\d{1,${MAX_FRACTION_DIGITS}})?$`);

  it('becomes the dollars that the plain arithmetic of domain/money gives, or is left to it', () => {
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
        if (dollars !== null) {
          expect(dollars).toBe(centsToDollars(toDecimal(amount)));
          expect(dollars).toBe(exactly(amount));
        }
        if (PLAIN.test(amount)) expect(dollars).not.toBeNull();
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
