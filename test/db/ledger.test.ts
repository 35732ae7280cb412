import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { setStatus } from '../../db/connections/status.ts';
import type { Db } from '../../db/core/database.ts';
import {
  startReadAttempt,
  commitDays,
  flagDays,
  reconcileDays,
  storedDays,
  type DayOutcome,
} from '../../db/ledger/ledger.ts';
import { ConnectionGoneError } from '../../db/connections/live.ts';
import { shareLive } from '../../db/connections/live.ts';
import { costContent, seriesIdOf } from '../../db/ledger/series.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { USAGE_COUNTS, canonicalDimensions, type CostLine, type UsageLine } from '../../domain/lines.ts';
import { ZERO, addDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/wait.ts';
import {
  DAY,
  TODAY,
  commitCost,
  commitUsage,
  connect,
  cost,
  count,
  dayRow,
  promised,
  takeAttempt,
  totalsOf,
  usage,
  waiting,
} from './support.ts';
import { row, rows } from '../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** The stored lines of a day, as text: `dimensions amount`, sorted. */
async function storedCost(connectionId: string, day: Day = DAY): Promise<string[]> {
  const found = await rows<{
    dimensions: Record<string, string | null>;
    extra: Record<string, string> | null;
    amount: string;
  }>(
    database.db,
    sql`
      select extra, amount::text, jsonb_build_object(
        'workspace_id', workspace_id, 'description', description, 'cost_type', cost_type, 'model', model,
        'token_type', token_type, 'context_window', context_window, 'service_tier', service_tier,
        'inference_geo', inference_geo, 'currency', currency
      ) as dimensions
      from costs where connection_id = ${connectionId} and day = ${day}
    `,
  );
  return found
    .map(({ dimensions, extra, amount }) => `${canonicalDimensions({ ...dimensions, ...extra })} ${amount}`)
    .sort();
}

async function storedUsage(connectionId: string, day: Day = DAY): Promise<string[]> {
  const found = await rows<
    Record<string, string | null> & {
      extra: Record<string, string> | null;
      extra_counts: Record<string, number> | null;
    }
  >(database.db, sql`select * from usage where connection_id = ${connectionId} and day = ${day}`);
  return found
    .map((line) => {
      const { workspace_id, model, service_tier, context_window, inference_geo, extra, extra_counts } = line;
      const dimensions = { workspace_id, model, service_tier, context_window, inference_geo, ...extra };
      const counts = USAGE_COUNTS.map((name) => String(line[name])).join(' ');
      return `${canonicalDimensions(dimensions as Record<string, string | null>)} ${counts} ${canonicalDimensions(extra_counts ?? {})}`;
    })
    .sort();
}

interface Restatement extends Record<string, unknown> {
  readonly before: string;
  readonly after: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
}

function restatements(connectionId: string): Promise<Restatement[]> {
  return rows(
    database.db,
    sql`
      select before::text, after::text, lines_added as added, lines_removed as removed, lines_changed as changed
      from restatements where connection_id = ${connectionId} order by id
    `,
  );
}

/** Where each line lies on disk and which transaction wrote it: a line that is written again moves. */
async function places(table: 'cost_lines' | 'usage_lines', connectionId: string): Promise<string[]> {
  const found = await rows<{ place: string }>(
    database.db,
    sql`
      select l.series_no || ' ' || l.xmin || ' ' || l.ctid as place
      from ${sql.identifier(table)} l join days d using (day_no)
      where d.connection_id = ${connectionId} order by l.series_no
    `,
  );
  return found.map(({ place }) => place);
}

describe('a day', () => {
  it('read twice is stored once, and no line is written the second time', async () => {
    const { id } = await connect(database.db);
    const lines = [cost('1.5', { model: 'a' }), cost('2', { model: 'b' })];
    const used = [usage({ output_tokens: 5 }, { model: 'a' }, { new_tokens: 1 }), usage({}, { model: 'b' })];
    expect(await commitCost(database.db, id, lines)).toBe('changed');
    expect(await commitUsage(database.db, id, used)).toBe('changed');
    const before = [await places('cost_lines', id), await places('usage_lines', id)];
    const again = [cost('2.00', { model: 'b', context_window: null }), cost('+15e-1', { model: 'a' })];
    expect(await commitCost(database.db, id, again, { sync: 2 })).toBe('unchanged');
    expect(await commitUsage(database.db, id, [...used].reverse(), { sync: 2 })).toBe('unchanged');
    expect([await places('cost_lines', id), await places('usage_lines', id)]).toEqual(before);
    expect(before.map((found) => found.length)).toEqual([2, 2]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ sync: 2, lines: 2, total: '3.5' });
    expect(await restatements(id)).toEqual([]);
  });

  it('that changed in one line has only that one written', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [
      cost('1', { model: 'a' }),
      cost('2', { model: 'b' }),
      cost('3', { model: 'c' }),
    ]);
    const before = await places('cost_lines', id);
    await commitCost(database.db, id, [
      cost('1', { model: 'a' }),
      cost('2.1', { model: 'b' }),
      cost('4', { model: 'd' }),
    ]);
    const after = await places('cost_lines', id);
    expect(after.filter((place) => before.includes(place))).toHaveLength(1);
    expect(await restatements(id)).toEqual([{ before: '6', after: '7.1', added: 1, removed: 1, changed: 1 }]);
  });

  it('without lines is stored, and is not missing', async () => {
    const { id } = await connect(database.db);
    expect(await dayRow(database.db, id, 'usage')).toBeUndefined();
    expect(await commitUsage(database.db, id, [])).toBe('changed');
    expect(await commitUsage(database.db, id, [])).toBe('unchanged');
    expect(await dayRow(database.db, id, 'usage')).toMatchObject({ lines: 0, total: '0', state: 'provisional' });
  });

  it('has the lines of equal dimensions added up', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('0.1', { model: 'a' }), cost('0.2', { model: 'a', token_type: null })]);
    expect(await storedCost(id)).toEqual(['{"currency":"USD","model":"a"} 0.3']);
    const twice = [
      usage({ output_tokens: 1 }, { model: 'a' }, { x: 1, y: 2 }),
      usage({ output_tokens: 2 }, { model: 'a' }, { x: 3 }),
    ];
    await commitUsage(database.db, id, twice);
    expect(await storedUsage(id)).toEqual(['{"model":"a"} 0 3 0 0 0 0 {"x":4,"y":2}']);
  });

  it('keeps money of another currency, and out of its total of dollars', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('5', { currency: 'EUR' }), cost('2', {})]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ lines: 2, total: '2' });
    expect(await storedCost(id)).toEqual(['{"currency":"EUR"} 5', '{"currency":"USD"} 2']);
  });

  it('keeps counts past 2^31, and a total past 2^53, to the last one', async () => {
    const { id } = await connect(database.db);
    const [large, most] = [2 ** 31 + 1, Number.MAX_SAFE_INTEGER];
    const counts = {
      uncached_input_tokens: most,
      output_tokens: most,
      cache_creation_5m: large,
      web_search_requests: most,
    };
    await commitUsage(database.db, id, [usage(counts, { model: 'a' }, { new_requests: most })]);
    expect(await storedUsage(id)).toEqual([
      `{"model":"a"} ${most} ${most} 0 ${large} 0 ${most} {"new_requests":${most}}`,
    ]);
    expect((await dayRow(database.db, id, 'usage'))?.total).toBe((2n * BigInt(most) + BigInt(large)).toString());
  });

  it('keeps every name as it is, in columns and outside of them', async () => {
    const { id } = await connect(database.db);
    const text = fc.string({ unit: 'binary', maxLength: 30 }).map((name) => name.replaceAll('\0', ''));
    const tricky = fc.constantFrom(
      '',
      'NULL',
      'null',
      '{}',
      '{"a"}',
      '"',
      '\\',
      "'; drop table days; --",
      ',',
      '\r\n',
      '😀',
      'א',
      '\ufffd',
    );
    const name = fc.oneof(text, tricky);
    await fc.assert(
      fc.asyncProperty(name, name, name, fc.jsonValue(), async (model, field, value, json) => {
        const dimensions = { model, workspace_id: value, [`x${field}`]: value, nested: JSON.stringify(json) };
        await commitCost(database.db, id, [cost('1', dimensions)]);
        expect(await storedCost(id)).toEqual([`${canonicalDimensions({ currency: 'USD', ...dimensions })} 1`]);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps unknown fields of any kind beside the known ones', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [
      cost('1', { model: 'm', speed: 'fast', seats: 3, deep: { b: [1, null], a: true }, gone: null }),
    ]);
    const [line] = await rows(database.db, sql`select model, extra from costs where connection_id = ${id}`);
    expect(line).toEqual({ model: 'm', extra: { speed: 'fast', seats: 3, deep: { b: [1, null], a: true } } });
  });
});

/** A few series, so that lines come, go and change; and amounts of all kinds. */
const DIMENSIONS = [
  { model: 'a' },
  { model: 'b', workspace_id: 'w' },
  { model: 'a', description: 'Ünï "code", \\ {NULL}' },
  { cost_type: 'quantum', new_field: 'x' },
  { currency: 'EUR', model: 'a' },
] as const;
const amount = fc.oneof(
  fc.constantFrom('0', '1', '-1', '1.10', '0.000000000000000000000000000001', '99999999999999999999.99'),
  fc.tuple(fc.integer({ min: -999, max: 999 }), fc.nat(999)).map(([whole, rest]) => `${whole}.${rest}`),
);
const costLines = fc.array(
  fc.tuple(fc.constantFrom(...DIMENSIONS), amount).map(([dimensions, given]) => cost(given, dimensions)),
  { maxLength: 7 },
);
const usageLines = fc.array(
  fc
    .tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3), fc.nat(3), fc.option(fc.nat(3), { nil: undefined }))
    .map(([model, input, output, more]) =>
      usage({ uncached_input_tokens: input, output_tokens: output }, { model }, more === undefined ? {} : { more }),
    ),
  { maxLength: 5 },
);

/** What a day should hold, by the text of its dimensions. */
function costModel(lines: readonly CostLine[]): Map<string, Decimal> {
  const model = new Map<string, Decimal>();
  for (const { dimensions, amount: next } of lines) {
    const series = canonicalDimensions(dimensions);
    model.set(series, addDecimals([model.get(series) ?? ZERO, next]));
  }
  return model;
}

function usageModel(lines: readonly UsageLine[]): Map<string, string> {
  const sums = new Map<string, { counts: number[]; extra: Record<string, number> }>();
  for (const { dimensions, counts, extraCounts } of lines) {
    const series = canonicalDimensions(dimensions);
    const sum = sums.get(series) ?? { counts: USAGE_COUNTS.map(() => 0), extra: {} };
    const extra = { ...sum.extra };
    for (const [name, value] of Object.entries(extraCounts)) extra[name] = (extra[name] ?? 0) + Number(value);
    const added = USAGE_COUNTS.map((name, index) => (sum.counts[index] ?? 0) + Number(counts[name]));
    sums.set(series, { counts: added, extra });
  }
  return new Map(
    [...sums].map(([series, { counts, extra }]) => [series, `${counts.join(' ')} ${canonicalDimensions(extra)}`]),
  );
}

/** What is known by name of lines, without what is zero: every dimension of these has a column, but for one constant. */
function knownOf(model: ReadonlyMap<string, string>): string {
  return [...model]
    .map(([series, value]) => `${series} ${value.replace(/ \{"more":\d+\}| \{\}/, '')}`)
    .filter((line) => !/\} 0( 0)*$/.test(line))
    .sort()
    .join('\n');
}

function linesOf(model: ReadonlyMap<string, string>): string[] {
  return [...model].map(([series, value]) => `${series} ${value}`).sort();
}

function difference(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Omit<Restatement, 'before' | 'after'> {
  const both = [...after.keys()].filter((series) => before.has(series));
  return {
    added: after.size - both.length,
    removed: before.size - both.length,
    changed: both.filter((series) => before.get(series) !== after.get(series)).length,
  };
}

describe('a day read again and again', () => {
  it('is exactly its last cost lines, and each change is told as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(costLines, { minLength: 1, maxLength: 6 }), async (reads) => {
        const { id } = await connect(database.db);
        let before: Map<string, Decimal> | null = null;
        const expected: Omit<Restatement, 'before' | 'after'>[] = [];
        for (const lines of reads) {
          const after = costModel(lines);
          const same = before !== null && knownOf(before) === knownOf(after);
          expect(await commitCost(database.db, id, lines)).toBe(same ? 'unchanged' : 'changed');
          expect(await storedCost(id)).toEqual(linesOf(after));
          const dollars = [...after].flatMap(([series, value]) => (series.includes('EUR') ? [] : [value]));
          expect(await dayRow(database.db, id, 'cost')).toMatchObject({
            lines: after.size,
            total: addDecimals(dollars),
          });
          if (before !== null && !same) expected.push(difference(before, after));
          before = after;
        }
        expect(await restatements(id)).toMatchObject(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('is exactly its last usage lines, and each change is told as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(usageLines, { minLength: 1, maxLength: 6 }), async (reads) => {
        const { id } = await connect(database.db);
        let before: Map<string, string> | null = null;
        const expected: Omit<Restatement, 'before' | 'after'>[] = [];
        for (const lines of reads) {
          const after = usageModel(lines);
          const same = before !== null && knownOf(before) === knownOf(after);
          expect(await commitUsage(database.db, id, lines)).toBe(same ? 'unchanged' : 'changed');
          expect(await storedUsage(id)).toEqual(linesOf(after));
          if (before !== null && !same) expected.push(difference(before, after));
          before = after;
        }
        expect(await restatements(id)).toMatchObject(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('is no restatement when the same sync mends what it had read', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1'), cost('1')], { sync: 4 });
    await commitCost(database.db, id, [cost('1')], { sync: 4 });
    expect(await restatements(id)).toEqual([]);
  });

  it('is told from its former total to its new one, with an event in words', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1.50')]);
    await commitCost(database.db, id, []);
    await commitCost(database.db, id, [cost('2')], { sync: 9 });
    expect(await restatements(id)).toEqual([
      { before: '1.5', after: '0', added: 0, removed: 1, changed: 0 },
      { before: '0', after: '2', added: 1, removed: 0, changed: 0 },
    ]);
    const [event] = await rows<{ message: string }>(
      database.db,
      sql`select message from events where connection_id = ${id} and type = 'restatement' order by id desc`,
    );
    expect(event?.message).toBe(`The cost of ${DAY} was restated from 0 to 2 USD.`);
  });

  it('while it goes on may grow: that is no restatement, and neither is its first complete read', async () => {
    const { id } = await connect(database.db);
    const today = { day: TODAY, today: TODAY };
    await commitCost(database.db, id, [cost('1')], today);
    await commitCost(database.db, id, [cost('2')], today);
    expect(await dayRow(database.db, id, 'cost', TODAY)).toMatchObject({ read_on: TODAY, total: '2' });
    const tomorrow = { day: TODAY, today: addDays(TODAY, 1) };
    await commitCost(database.db, id, [cost('3')], tomorrow);
    expect(await restatements(id)).toEqual([]);
    expect(await dayRow(database.db, id, 'cost', TODAY)).toMatchObject({ read_on: tomorrow.today });
    await commitCost(database.db, id, [cost('4')], tomorrow);
    expect(await restatements(id)).toEqual([{ before: '3', after: '4', added: 0, removed: 0, changed: 1 }]);
  });

  it('that did not grow after its end counts as complete all the same', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1')], { day: TODAY, today: TODAY });
    expect(await commitCost(database.db, id, [cost('1')], { day: TODAY, today: addDays(TODAY, 1) })).toBe('unchanged');
    await commitCost(database.db, id, [cost('2')], { day: TODAY, today: addDays(TODAY, 1) });
    expect(await restatements(id)).toHaveLength(1);
  });
});

describe('days that are read together', () => {
  const content = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(9)), { maxLength: 4 });
  const given = fc.record({
    before: fc.option(content, { nil: null }),
    now: content,
    hint: fc.constantFrom('right', 'none', 'wrong'),
  });
  const linesFrom = (of: readonly (readonly [string, number])[]): CostLine[] =>
    of.map(([model, amount]) => cost(String(amount), { model }));

  it('become each what it was read as, whatever was stored of it and whatever it was thought to be', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(given, { minLength: 1, maxLength: 6 }), async (some) => {
        const { db } = database;
        const { id } = await connect(db);
        const from = addDays(DAY, -10);
        const dayAt = (index: number): Day => addDays(from, index);
        for (const [index, { before }] of some.entries()) {
          if (before !== null) await commitCost(db, id, linesFrom(before), { day: dayAt(index) });
        }
        const { attempt, digests } = await startReadAttempt(db, id, 'cost', { from, to: dayAt(some.length) });
        expect(digests.size).toBe(some.filter(({ before }) => before !== null).length);
        const hints = { right: (day: Day) => digests.get(day), none: () => undefined, wrong: () => Buffer.alloc(32) };
        const read = some.map(({ now, hint }, index) => ({
          connectionId: id,
          report: 'cost' as const,
          day: dayAt(index),
          content: costContent(linesFrom(now)),
          attempt,
          digestBefore: hints[hint](dayAt(index)),
          sync: { n: 9_000, runId: 'run' },
          today: TODAY,
          reported: null,
        }));
        const outcomes = await commitDays(db, read);
        for (const [index, { before, now }] of some.entries()) {
          const model = costModel(linesFrom(now));
          expect(await storedCost(id, dayAt(index))).toEqual(linesOf(model));
          const wasSame = before !== null && knownOf(costModel(linesFrom(before))) === knownOf(model);
          expect(outcomes.get(dayAt(index))).toBe(wasSame ? 'unchanged' : 'changed');
        }
        const again = await commitDays(db, read);
        expect([...again.values()]).toEqual(some.map(() => 'stale'));
      }),
      { numRuns: 40 },
    );
  });

  it('are stored all or none, and none of a connection that has ended', async () => {
    const { id } = await connect(database.db);
    const { attempt } = await startReadAttempt(database.db, id, 'cost', { from: DAY, to: TODAY });
    const [good, bad] = [costContent([cost('1')]), costContent([cost('2')])];
    // The type rules it out, and so does Postgres.
    const amount = 'NaN' as Decimal;
    const spoilt = bad.lines.map(({ series, line }) => ({ series, line: { ...line, amount } }));
    const read = [good, { ...bad, lines: spoilt }].map((content, index) => ({
      connectionId: id,
      report: 'cost' as const,
      day: addDays(DAY, index),
      content,
      attempt,
      sync: { n: 1, runId: 'run' },
      today: TODAY,
      reported: null,
    }));
    await expect(commitDays(database.db, read)).rejects.toThrow();
    expect(await rows(database.db, sql`select from days where connection_id = ${id}`)).toEqual([]);
    await disconnect(database.db, id, false);
    await expect(commitDays(database.db, read.slice(0, 1))).rejects.toThrow(ConnectionGoneError);
    expect(await rows(database.db, sql`select from days where connection_id = ${id}`)).toEqual([]);
  });
});

describe('attempts that overlap', () => {
  it('are numbered upwards', async () => {
    const first = await takeAttempt(database.db);
    expect(await takeAttempt(database.db)).toBeGreaterThan(first);
  });

  it('never let an older read overwrite a newer one, nor a read itself', async () => {
    const { id } = await connect(database.db);
    const [older, newer] = [await takeAttempt(database.db), await takeAttempt(database.db)];
    expect(await commitCost(database.db, id, [cost('2')], { attempt: newer })).toBe('changed');
    expect(await commitCost(database.db, id, [cost('1')], { attempt: older, sync: 5 })).toBe('stale');
    expect(await commitCost(database.db, id, [cost('3')], { attempt: newer, sync: 5 })).toBe('stale');
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ total: '2', attempt: newer });
    expect(await storedCost(id)).toEqual(['{"currency":"USD"} 2']);
  });

  it('count a read that found nothing new, so that an older one stays out', async () => {
    const { id } = await connect(database.db);
    const [first, second, third] = [
      await takeAttempt(database.db),
      await takeAttempt(database.db),
      await takeAttempt(database.db),
    ];
    await commitCost(database.db, id, [cost('1')], { attempt: first });
    expect(await commitCost(database.db, id, [cost('1')], { attempt: third })).toBe('unchanged');
    expect(await commitCost(database.db, id, [cost('9')], { attempt: second })).toBe('stale');
  });

  it('at the same instant end with the newest, whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 2 }), async (order) => {
        const { id } = await connect(database.db);
        const linesOfRead = (read: number): CostLine[] =>
          Array.from({ length: 10 }, (_, index) => cost(`${read}`, { model: `${(index + read) % 14}` }));
        await Promise.all(order.map((read) => commitCost(database.db, id, linesOfRead(read), { attempt: read })));
        const newest = Math.max(...order);
        expect(await storedCost(id)).toEqual(linesOf(costModel(linesOfRead(newest))));
        expect(await dayRow(database.db, id, 'cost')).toMatchObject({
          attempt: newest,
          lines: 10,
          total: String(newest * 10),
        });
      }),
      { numRuns: 15 },
    );
  });

  it('bring new series in one order, so that no two of them wait for each other', async () => {
    const { id } = await connect(database.db);
    const lines = ['a', 'b', 'c', 'd'].map((model) => cost('1', { model }));
    const upwards = lines.map(({ dimensions }) => seriesIdOf(dimensions)).sort();
    const downwards = [...lines].sort((a, b) => (seriesIdOf(a.dimensions) < seriesIdOf(b.dimensions) ? 1 : -1));
    const first = promised();
    const other = database.db.transaction(async (tx) => {
      for (const seriesId of upwards) {
        await tx.execute(sql`
          insert into cost_series (connection_id, series_id, currency) values (${id}, ${seriesId}, 'USD')
        `);
        if (seriesId !== upwards[0]) continue;
        first.keep();
        await until('the commit to wait', async () => (await waiting(database.db)) === 1);
      }
    });
    await first.done;
    expect(await Promise.all([commitCost(database.db, id, downwards), other])).toEqual(['changed', undefined]);
    expect(await count(database.db, sql`cost_series where connection_id = ${id}`)).toBe(4);
  });
});

describe('a connection that ends', () => {
  it('has nothing written afterwards, of days or of workspaces', async () => {
    const { id } = await connect(database.db);
    const other = await connect(database.db);
    await commitCost(database.db, id, [cost('1')]);
    await saveWorkspaces(database.db, id, [{ id: 'w', name: 'W', createdAt: null, archivedAt: null, reported: {} }]);
    await disconnect(database.db, id, true);
    const late = commitCost(database.db, id, [cost('2')]);
    await expect(late).rejects.toThrow(ConnectionGoneError);
    await expect(commitUsage(database.db, randomUUID(), [])).rejects.toThrow(ConnectionGoneError);
    const workspace = { id: 'x', name: 'X', createdAt: null, archivedAt: null, reported: {} };
    await expect(saveWorkspaces(database.db, id, [workspace])).rejects.toThrow(ConnectionGoneError);
    for (const table of ['days', 'cost_series', 'workspaces', 'restatements', 'syncs']) {
      expect(await count(database.db, sql`${sql.identifier(table)} where connection_id = ${id}`), table).toBe(0);
    }
    expect(await count(database.db, sql`cost_lines where day_no not in (select day_no from days)`)).toBe(0);
    expect(await commitCost(database.db, other.id, [cost('1')])).toBe('changed');
  });

  it('keeps its data where it is not to be purged', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1')]);
    await disconnect(database.db, id, false);
    expect(await storedCost(id)).toEqual(['{"currency":"USD"} 1']);
    await expect(commitCost(database.db, id, [cost('2')])).rejects.toThrow(ConnectionGoneError);
    expect(await storedCost(id)).toEqual(['{"currency":"USD"} 1']);
  });

  it('waits for a commit that is under way, and a mere change of status does not', async () => {
    const { id } = await connect(database.db);
    const commit = promised();
    const holding = promised();
    const writing = database.db.transaction(async (tx) => {
      expect(await shareLive(tx, id)).toBe('validating');
      holding.keep();
      await commit.done;
    });
    await holding.done;
    await setStatus(database.db, id, 'discovering');
    expect(await commitCost(database.db, id, [cost('1')])).toBe('changed');
    const ending = disconnect(database.db, id, false);
    await until('the disconnect to wait', async () => (await waiting(database.db)) === 1);
    const [held] = await rows<{ status: string }>(database.db, sql`select status from connections where id = ${id}`);
    expect(held?.status).toBe('discovering');
    commit.keep();
    await Promise.all([writing, ending]);
    const [ended] = await rows<{ status: string }>(database.db, sql`select status from connections where id = ${id}`);
    expect(ended?.status).toBe('disconnected');
  });
});

describe('reconciling', () => {
  const window = { from: addDays(TODAY, -4), to: TODAY };
  const stored = async (): Promise<string> => {
    const { id } = await connect(database.db);
    for (const [index, total] of ['1', '2.5', '0', '4'].entries()) {
      await commitCost(database.db, id, total === '0' ? [] : [cost(total)], { day: addDays(window.from, index) });
    }
    return id;
  };
  const states = async (id: string): Promise<string[]> => {
    const found = await rows<{ text: string }>(
      database.db,
      sql`
        select state || case when reconciled then ' reconciled' else '' end || coalesce(' not ' || disagrees_with, '') as text
        from days where connection_id = ${id} order by day
      `,
    );
    return found.map(({ text }) => text);
  };
  const totals = totalsOf({
    [window.from]: '1.00',
    [addDays(window.from, 1)]: '2.5',
    [addDays(window.from, 3)]: '5',
  });

  it('marks the days that agree, as final once they are old enough, and returns those that do not', async () => {
    const id = await stored();
    const comparison = { connectionId: id, report: 'cost', window, totals, today: TODAY, restatementDays: 3 } as const;
    expect(await reconcileDays(database.db, comparison)).toEqual([addDays(TODAY, -1)]);
    expect(await states(id)).toEqual(['final reconciled', 'final reconciled', 'provisional reconciled', 'provisional']);
    expect(await reconcileDays(database.db, { ...comparison, window: { from: DAY, to: DAY } })).toEqual([]);
    expect(await storedDays(database.db, id, 'cost', window)).toEqual([
      { day: window.from, state: 'final', total: '1', readOn: TODAY },
      { day: addDays(window.from, 1), state: 'final', total: '2.5', readOn: TODAY },
      { day: addDays(window.from, 2), state: 'provisional', total: '0', readOn: TODAY },
      { day: addDays(window.from, 3), state: 'provisional', total: '4', readOn: TODAY },
    ]);
  });

  it('as a part of reading leaves days as they are that a newer attempt has read since', async () => {
    const id = await stored();
    const [older, newer] = [await takeAttempt(database.db), await takeAttempt(database.db)];
    await commitCost(database.db, id, [cost('7')], { day: window.from, attempt: newer });
    const comparison = { connectionId: id, report: 'cost', window, totals, restatementDays: 3 } as const;
    expect(await reconcileDays(database.db, { ...comparison, attempt: older })).toEqual([addDays(TODAY, -1)]);
    expect((await states(id))[0]).toBe('provisional');
    const agreeing = { ...totals, [window.from]: toDecimal('7') };
    await reconcileDays(database.db, { ...comparison, totals: agreeing, attempt: newer });
    expect((await states(id))[0]).toBe('final reconciled');
    await reconcileDays(database.db, { ...comparison, attempt: older });
    expect((await states(id))[0]).toBe('final reconciled');
  });

  it('makes no day final that was last read before its numbers had settled, and unmakes one that was', async () => {
    const { id } = await connect(database.db);
    const comparison = { connectionId: id, report: 'cost', window: { from: DAY, to: DAY }, totals: {} } as const;
    const state = async (restatementDays: number): Promise<string | undefined> => {
      await reconcileDays(database.db, { ...comparison, restatementDays });
      return (await states(id))[0];
    };
    await commitCost(database.db, id, [], { today: addDays(DAY, 2) });
    expect(await state(3)).toBe('provisional reconciled');
    await commitCost(database.db, id, [], { today: addDays(DAY, 3) });
    expect(await state(3)).toBe('final reconciled');
    expect(await state(10)).toBe('provisional reconciled');
  });

  it('calls a day that was final provisional again as soon as its total is another', async () => {
    const id = await stored();
    const comparison = { connectionId: id, report: 'cost', window, totals, restatementDays: 3 } as const;
    await reconcileDays(database.db, comparison);
    expect((await states(id))[0]).toBe('final reconciled');
    expect(
      await reconcileDays(database.db, { ...comparison, totals: { ...totals, [window.from]: toDecimal('9') } }),
    ).toContain(window.from);
    expect((await states(id))[0]).toBe('provisional');
  });

  it('says nothing of another report, another connection, or a day that is missing', async () => {
    const [id, other] = [await stored(), await stored()];
    const comparison = { connectionId: id, report: 'usage', window, totals, today: TODAY, restatementDays: 3 } as const;
    expect(await reconcileDays(database.db, comparison)).toEqual([]);
    await reconcileDays(database.db, { ...comparison, report: 'cost' });
    expect(await states(other)).toEqual(Array.from({ length: 4 }, () => 'provisional'));
  });

  it('flags a day that stably disagrees, once, until it agrees or changes', async () => {
    const id = await stored();
    const day = addDays(TODAY, -1);
    const comparison = { connectionId: id, report: 'cost', window, totals, today: TODAY, restatementDays: 0 } as const;
    for (let time = 0; time < 2; time += 1) {
      await flagDays(database.db, { connectionId: id, report: 'cost', days: [day, window.from], totals });
    }
    expect((await states(id))[3]).toBe('provisional not 5');
    expect(await count(database.db, sql`events where connection_id = ${id} and type = 'day_flagged'`)).toBe(1);
    await reconcileDays(database.db, { ...comparison, totals: { ...totals, [day]: toDecimal('4.0') } });
    expect((await states(id))[3]).toBe('final reconciled');
    await flagDays(database.db, { connectionId: id, report: 'cost', days: [day], totals });
    expect((await states(id))[3]).toBe('provisional not 5');
    await commitCost(database.db, id, [cost('5')], { day });
    expect((await states(id))[3]).toBe('provisional');
    await reconcileDays(database.db, comparison);
    expect((await states(id))[3]).toBe('final reconciled');
    expect(await count(database.db, sql`events where connection_id = ${id} and type = 'day_flagged'`)).toBe(2);
  });

  it('leaves a day as it is whose total cannot be read, and neither flags nor clears it', async () => {
    const id = await stored();
    const comparison = { connectionId: id, report: 'cost', window, totals, restatementDays: 0 } as const;
    await reconcileDays(database.db, comparison);
    const before = await states(id);
    const unread = { ...totals, [window.from]: null, [addDays(TODAY, -1)]: null };
    expect(await reconcileDays(database.db, { ...comparison, totals: unread })).toEqual([]);
    await flagDays(database.db, { connectionId: id, report: 'cost', days: [window.from], totals: unread });
    expect(await states(id)).toEqual(before);
  });

  it('holds usage against its tokens, known by name or not', async () => {
    const { id } = await connect(database.db);
    const counts = { 'cache_creation.ephemeral_24h_input_tokens': 500, tokens_of_thought: 9, 'x.tokens': 1 };
    await commitUsage(database.db, id, [usage({ output_tokens: 50 }, {}, counts), usage({}, { model: 'b' }, counts)]);
    expect((await dayRow(database.db, id, 'usage'))?.total).toBe('1052');
    const more = [usage({ output_tokens: 50 }, {}, counts), usage({}, { model: 'c' }, { 'x.tokens': 2 })];
    await commitUsage(database.db, id, more);
    expect((await dayRow(database.db, id, 'usage'))?.total).toBe('553');
  });

  it('holds usage against its tokens alone', async () => {
    const { id } = await connect(database.db);
    await commitUsage(database.db, id, [
      usage({ uncached_input_tokens: 1, cache_creation_1h: 2, web_search_requests: 9 }, {}, { x: 7 }),
    ]);
    const comparison = {
      connectionId: id,
      report: 'usage',
      window: { from: DAY, to: DAY },
      today: TODAY,
      restatementDays: 3,
    } as const;
    expect(await reconcileDays(database.db, { ...comparison, totals: totalsOf({ [DAY]: '12' }) })).toEqual([DAY]);
    expect(await reconcileDays(database.db, { ...comparison, totals: totalsOf({ [DAY]: '3' }) })).toEqual([]);
  });
});

describe('a complete day in which only unknown fields changed', () => {
  const window = { from: DAY, to: DAY };
  const KNOWN = { workspace_id: 'w', model: 'm', token_type: 'output_tokens' };

  interface Standing {
    readonly outcome: DayOutcome;
    readonly told: number;
    readonly row: unknown;
  }

  /** What becomes of a day that is final, once it is read otherwise. */
  async function read<Kind extends CostLine | UsageLine>(
    commit: (db: Db, id: string, lines: readonly Kind[], options?: { reported?: string }) => Promise<DayOutcome>,
    before: readonly Kind[],
    after: readonly Kind[],
  ): Promise<Standing & { readonly id: string }> {
    const { id } = await connect(database.db);
    await commit(database.db, id, before);
    const ofUsage: unknown = commitUsage;
    const report = commit === ofUsage ? 'usage' : 'cost';
    const { total = '' } = (await dayRow(database.db, id, report)) ?? {};
    await reconcileDays(database.db, {
      connectionId: id,
      report,
      window,
      totals: totalsOf({ [DAY]: total }),
      restatementDays: 3,
    });
    const outcome = await commit(database.db, id, after, { reported: total });
    const told = await count(database.db, sql`events where connection_id = ${id} and type = 'restatement'`);
    expect(await restatements(id)).toHaveLength(told);
    return { id, outcome, told, row: await dayRow(database.db, id, report) };
  }

  it.each<[string, CostLine[], CostLine[]]>([
    ['a new field', [cost('5', KNOWN)], [cost('5', { ...KNOWN, delivery: 'standard' })]],
    ['a field that is gone', [cost('5', { ...KNOWN, speed: 'fast' })], [cost('5', KNOWN)]],
    [
      'a field of another value',
      [cost('5', { ...KNOWN, speed: 1 })],
      [cost('5', { ...KNOWN, speed: { fast: [true] } })],
    ],
    [
      'a field that splits a line',
      [cost('5', KNOWN), cost('1')],
      [cost('1'), cost('2', { ...KNOWN, speed: 'fast' }), cost('3', { ...KNOWN, speed: 'slow' })],
    ],
    ['a field that joins lines', [cost('2', { ...KNOWN, s: 1 }), cost('3', { ...KNOWN, s: 2 })], [cost('5', KNOWN)]],
    ['a line of nothing', [cost('5', KNOWN)], [cost('5', KNOWN), cost('0', { model: 'new' })]],
    ['a line of nothing in a day without cost', [], [cost('0', KNOWN)]],
    ['parts that add up to nothing', [cost('5', KNOWN)], [cost('5', KNOWN), cost('1', { x: 1 }), cost('-1', { x: 2 })]],
  ])('is no restatement: %s', async (_what, before, after) => {
    const { id, outcome, told, row: standing } = await read(commitCost, before, after);
    expect([outcome, told]).toEqual(['unchanged', 0]);
    expect(standing).toMatchObject({ state: 'final', reconciled: true, lines: after.length });
    expect(await storedCost(id)).toEqual(linesOf(costModel(after)));
    expect(await commitCost(database.db, id, after)).toBe('unchanged');
  });

  it.each<[string, UsageLine[], UsageLine[]]>([
    ['a new counter', [usage({ output_tokens: 3 })], [usage({ output_tokens: 3 }, {}, { code_review_requests: 7 })]],
    ['a counter that grew', [usage({}, {}, { x: 1 })], [usage({}, {}, { x: 2 })]],
    ['a new field', [usage({ output_tokens: 3 })], [usage({ output_tokens: 3 }, { speed: 'fast' })]],
    [
      'unknown tokens under another name',
      [usage({}, {}, { a_tokens: 5 })],
      [usage({}, {}, { 'b.c_tokens': 2, d_tokens: 3 })],
    ],
  ])('is no restatement of usage: %s', async (_what, before, after) => {
    const { id, outcome, told, row: standing } = await read(commitUsage, before, after);
    expect([outcome, told]).toEqual(['unchanged', 0]);
    expect(standing).toMatchObject({ state: 'final', reconciled: true });
    expect(await storedUsage(id)).toEqual(linesOf(usageModel(after)));
  });

  it.each<[string, CostLine[], CostLine[], string]>([
    [
      'to another model',
      [cost('5', KNOWN)],
      [cost('5', { ...KNOWN, model: 'other' })],
      'its total stayed 5 USD, but lines moved (1 added, 1 removed, 0 changed).',
    ],
    [
      'between two lines, one with a new field',
      [cost('5', KNOWN), cost('1', { model: 'x' })],
      [cost('4', KNOWN), cost('2', { model: 'x', speed: 'fast' })],
      'its total stayed 6 USD, but lines moved (1 added, 1 removed, 1 changed).',
    ],
    [
      'in another currency',
      [cost('5', KNOWN), cost('1', { currency: 'EUR' })],
      [cost('5', KNOWN), cost('2', { currency: 'EUR' })],
      'its total stayed 5 USD, but lines moved (0 added, 0 removed, 1 changed).',
    ],
  ])('but moves under an equal total are told as such: %s', async (_what, before, after, sentence) => {
    const { id, outcome, told, row: standing } = await read(commitCost, before, after);
    expect([outcome, told]).toEqual(['changed', 1]);
    expect(standing).toMatchObject({ state: 'provisional' });
    const { message } = await row<{ message: string }>(
      database.db,
      sql`select message from events where connection_id = ${id} and type = 'restatement'`,
    );
    expect(message).toBe(`The cost of ${DAY} was restated: ${sentence}`);
  });

  it.each<[string, UsageLine[], UsageLine[]]>([
    ['requests', [usage({ web_search_requests: 1 })], [usage({ web_search_requests: 2 })]],
    [
      'unknown tokens, to another model',
      [usage({}, { model: 'a' }, { x_tokens: 5 })],
      [usage({}, { model: 'b' }, { x_tokens: 5 })],
    ],
    ['known tokens', [usage({ output_tokens: 1 })], [usage({ uncached_input_tokens: 1 })]],
  ])('but moves of usage are told: %s', async (_what, before, after) => {
    expect(await read(commitUsage, before, after)).toMatchObject({ outcome: 'changed', told: 1 });
  });

  it('keeps its flag, and is no day that a sync changed', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('5', KNOWN)]);
    await flagDays(database.db, { connectionId: id, report: 'cost', days: [DAY], totals: totalsOf({ [DAY]: '6' }) });
    expect(await commitCost(database.db, id, [cost('5', { ...KNOWN, new: 1 })])).toBe('unchanged');
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ disagrees_with: '6' });
  });
});

describe('the views', () => {
  it.each([
    [
      'costs',
      'connection_id organization_id organization_name day workspace_id workspace_name description cost_type model token_type context_window service_tier inference_geo extra currency amount day_state day_reconciled',
    ],
    [
      'usage',
      'connection_id organization_id organization_name day workspace_id workspace_name model service_tier context_window inference_geo extra uncached_input_tokens output_tokens cache_read_input_tokens cache_creation_5m cache_creation_1h web_search_requests extra_counts day_state day_reconciled',
    ],
  ])('%s begins with the columns that others build on', async (view, columns) => {
    const found = await rows<{ name: string }>(
      database.db,
      sql`select column_name as name from information_schema.columns where table_name = ${view} order by ordinal_position`,
    );
    expect(
      found
        .map(({ name }) => name)
        .join(' ')
        .startsWith(columns),
    ).toBe(true);
  });

  it('name the workspace of each line: by its name, by its id where that is all there is, or as the default one', async () => {
    const { id } = await connect(database.db, { organization: randomUUID() });
    await saveWorkspaces(database.db, id, [{ id: 'w1', name: 'One', createdAt: null, archivedAt: null, reported: {} }]);
    const dimensions = [{ workspace_id: 'w1' }, { workspace_id: 'w2' }, { workspace_id: null }];
    await commitCost(
      database.db,
      id,
      dimensions.map((given) => cost('1', given)),
    );
    await commitUsage(
      database.db,
      id,
      dimensions.map((given) => usage({}, given)),
    );
    for (const view of ['costs', 'usage']) {
      const found = await rows<{ name: string }>(
        database.db,
        sql`select workspace_name as name from ${sql.identifier(view)} where connection_id = ${id} order by 1`,
      );
      expect(found.map(({ name }) => name)).toEqual(['Default workspace', 'One', 'w2']);
    }
  });
});

describe('the tables', () => {
  it('take no amount that is no number, and no empty day with a total', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1')]);
    for (const bad of ['NaN', 'Infinity', '-Infinity']) {
      await expect(
        database.db.execute(
          sql`update cost_lines set amount = ${bad} where day_no in (select day_no from days where connection_id = ${id})`,
        ),
      ).rejects.toThrow();
    }
    await expect(database.db.execute(sql`update days set lines = 0 where connection_id = ${id}`)).rejects.toThrow();
    const { total } = await row<{ total: string }>(
      database.db,
      sql`select total::text from days where connection_id = ${id}`,
    );
    expect(total).toBe('1');
  });

  it('are not replaced by lines that contradict the reported total, once they were complete and added up', async () => {
    const { id } = await connect(database.db);
    const totals = totalsOf({ [DAY]: '3' });
    const window = { from: DAY, to: DAY };
    await commitCost(database.db, id, [cost('1'), cost('2', { model: 'm' })], { reported: '3' });
    await reconcileDays(database.db, { connectionId: id, report: 'cost', window, totals, restatementDays: 3 });
    expect(await commitCost(database.db, id, [cost('1')], { reported: '3' })).toBe('heldBack');
    expect(await commitCost(database.db, id, [], { reported: '3.5' })).toBe('heldBack');
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ total: '3', lines: 2, reconciled: true });
    // What adds up is taken, also with the same total; and whatever was read twice.
    expect(await commitCost(database.db, id, [cost('3.0')], { reported: '3' })).toBe('changed');
    expect(await commitCost(database.db, id, [cost('1')])).toBe('changed');
    expect(await commitCost(database.db, id, [cost('9')], { reported: '3' })).toBe('heldBack');
    expect(await count(database.db, sql`restatements where connection_id = ${id}`)).toBe(2);
  });

  it('are restated by a sync that found them unchanged first and read them again, since their total had moved', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('3')], { sync: 4 });
    expect(await commitCost(database.db, id, [cost('3')], { sync: 5, reported: '4' })).toBe('unchanged');
    const comparison = {
      connectionId: id,
      report: 'cost',
      window: { from: DAY, to: DAY },
      restatementDays: 3,
    } as const;
    expect(await reconcileDays(database.db, { ...comparison, totals: totalsOf({ [DAY]: '4' }) })).toEqual([DAY]);
    expect(await commitCost(database.db, id, [cost('4')], { sync: 5 })).toBe('changed');
    expect(await count(database.db, sql`restatements where connection_id = ${id} and before = 3 and after = 4`)).toBe(
      1,
    );
  });

  it('keep nothing of a day whose commit failed', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1')]);
    const bad = {
      connectionId: id,
      report: 'cost',
      day: DAY,
      content: costContent([cost('2'), cost('3', { model: 'a\0b' })]),
      attempt: await takeAttempt(database.db),
      sync: { n: 1, runId: 'run' },
      today: TODAY,
      reported: null,
    } as const;
    await expect(commitDays(database.db, [bad])).rejects.toThrow();
    expect(await storedCost(id)).toEqual(['{"currency":"USD"} 1']);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ total: '1', lines: 1 });
  });
});
