import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { ConnectionGoneError } from '../../db/connections/live.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { commitDays } from '../../db/ledger/commit.ts';
import { startReadAttempt } from '../../db/ledger/read-attempts.ts';
import { reconcileDays } from '../../db/ledger/reconcile.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { canonicalDimensions } from '../../domain/lines.ts';
import type { CostLine } from '../support/lines.ts';
import { costContent, costContents, withAmounts } from '../support/pages.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { row, rows } from '../support/rows.ts';
import { costModel, knownOf, linesOf, places, restatements, storedCost, storedUsage } from './ledger-support.ts';
import {
  DAY,
  TODAY,
  commitCost,
  commitUsage,
  connect,
  cost,
  count,
  dayRow,
  takeAttempt,
  totalsOf,
  usage,
} from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('a day', () => {
  it('read twice is stored once, and no line is written the second time', async () => {
    const { id } = await connect(database.db);
    const lines = [cost('1.5', { model: 'a' }), cost('2', { model: 'b' })];
    const used = [usage({ output_tokens: 5 }, { model: 'a' }, { new_tokens: 1 }), usage({}, { model: 'b' })];
    expect(await commitCost(database.db, id, lines)).toBe('changed');
    expect(await commitUsage(database.db, id, used)).toBe('changed');
    const before = [await places(database.db, 'cost_lines', id), await places(database.db, 'usage_lines', id)];
    const again = [cost('2.00', { model: 'b', context_window: null }), cost('+15e-1', { model: 'a' })];
    expect(await commitCost(database.db, id, again, { sync: 2 })).toBe('unchanged');
    expect(await commitUsage(database.db, id, [...used].reverse(), { sync: 2 })).toBe('unchanged');
    expect([await places(database.db, 'cost_lines', id), await places(database.db, 'usage_lines', id)]).toEqual(before);
    expect(before.map((found) => found.length)).toEqual([2, 2]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ sync: 2, lines: 2, total: '3.5' });
    expect(await restatements(database.db, id)).toEqual([]);
  });

  it('writes only the line that changed', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [
      cost('1', { model: 'a' }),
      cost('2', { model: 'b' }),
      cost('3', { model: 'c' }),
    ]);
    const before = await places(database.db, 'cost_lines', id);
    await commitCost(database.db, id, [
      cost('1', { model: 'a' }),
      cost('2.1', { model: 'b' }),
      cost('4', { model: 'd' }),
    ]);
    const after = await places(database.db, 'cost_lines', id);
    expect(after.filter((place) => before.includes(place))).toHaveLength(1);
    expect(await restatements(database.db, id)).toEqual([
      { before: '6', after: '7.1', added: 1, removed: 1, changed: 1 },
    ]);
  });

  it('without lines is stored, and is not missing', async () => {
    const { id } = await connect(database.db);
    expect(await dayRow(database.db, id, 'usage')).toBeUndefined();
    expect(await commitUsage(database.db, id, [])).toBe('changed');
    expect(await commitUsage(database.db, id, [])).toBe('unchanged');
    expect(await dayRow(database.db, id, 'usage')).toMatchObject({ lines: 0, total: '0', state: 'provisional' });
  });

  it('adds up lines with equal dimensions', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('0.1', { model: 'a' }), cost('0.2', { model: 'a', token_type: null })]);
    expect(await storedCost(database.db, id)).toEqual(['{"currency":"USD","model":"a"} 0.3']);
    const twice = [
      usage({ output_tokens: 1 }, { model: 'a' }, { x: 1, y: 2 }),
      usage({ output_tokens: 2 }, { model: 'a' }, { x: 3 }),
    ];
    await commitUsage(database.db, id, twice);
    expect(await storedUsage(database.db, id)).toEqual(['{"model":"a"} 0 3 0 0 0 0 {"x":4,"y":2}']);
  });

  it('stores lines in another currency and leaves them out of its total in dollars', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('5', { currency: 'EUR' }), cost('2', {})]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ lines: 2, total: '2' });
    expect(await storedCost(database.db, id)).toEqual(['{"currency":"EUR"} 5', '{"currency":"USD"} 2']);
  });

  it('stores counts past 2^31 and a total past 2^53 exactly', async () => {
    const { id } = await connect(database.db);
    const [large, most] = [2 ** 31 + 1, Number.MAX_SAFE_INTEGER];
    const counts = {
      uncached_input_tokens: most,
      output_tokens: most,
      cache_creation_5m: large,
      web_search_requests: most,
    };
    await commitUsage(database.db, id, [usage(counts, { model: 'a' }, { new_requests: most })]);
    expect(await storedUsage(database.db, id)).toEqual([
      `{"model":"a"} ${most} ${most} 0 ${large} 0 ${most} {"new_requests":${most}}`,
    ]);
    expect((await dayRow(database.db, id, 'usage'))?.total).toBe((2n * BigInt(most) + BigInt(large)).toString());
  });

  it('stores every name as Anthropic reports it, in columns and in extra fields', async () => {
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
        expect(await storedCost(database.db, id)).toEqual([
          `${canonicalDimensions({ currency: 'USD', ...dimensions })} 1`,
        ]);
      }),
      { numRuns: 60 },
    );
  });

  it('stores unknown fields with values of any type', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [
      cost('1', { model: 'm', speed: 'fast', seats: 3, deep: { b: [1, null], a: true }, gone: null }),
    ]);
    const [line] = await rows(database.db, sql`select model, extra from costs where connection_id = ${id}`);
    expect(line).toEqual({ model: 'm', extra: { speed: 'fast', seats: 3, deep: { b: [1, null], a: true } } });
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

  it('are each stored as they were read, whatever was stored before and whatever the attempt expected', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(given, { minLength: 1, maxLength: 6 }), fc.boolean(), async (some, nothingIsStored) => {
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
        const { contents, numbers } = costContents(some.map(({ now }) => linesFrom(now)));
        const read = contents.map((content, index) => ({
          connectionId: id,
          report: 'cost' as const,
          day: dayAt(index),
          content,
          numbers,
          attempt,
          digestBefore: hints[some[index]?.hint ?? 'none'](dayAt(index)),
          sync: 9_000,
          today: TODAY,
          reported: null,
        }));
        const outcomes = await commitDays(db, read, { nothingIsStored });
        for (const [index, { before, now }] of some.entries()) {
          const model = costModel(linesFrom(now));
          expect(await storedCost(database.db, id, dayAt(index))).toEqual(linesOf(model));
          const wasSame = before !== null && knownOf(costModel(linesFrom(before))) === knownOf(model);
          expect(outcomes.get(dayAt(index))).toBe(wasSame ? 'unchanged' : 'changed');
        }
        const again = await commitDays(db, read);
        expect([...again.values()]).toEqual(some.map(() => 'stale'));
      }),
      { numRuns: 40 },
    );
  });

  it('are stored together or not at all, and not after the connection has ended', async () => {
    const { id } = await connect(database.db);
    const { attempt } = await startReadAttempt(database.db, id, 'cost', { from: DAY, to: TODAY });
    const { contents, numbers } = costContents([[cost('1')], [cost('2')]]);
    // No page gives such an amount, and Postgres rules it out too.
    const spoilt = contents.map((content, index) => (index === 1 ? withAmounts(content, ['NaN']) : content));
    const read = spoilt.map((content, index) => ({
      connectionId: id,
      report: 'cost' as const,
      day: addDays(DAY, index),
      content,
      numbers,
      attempt,
      sync: 1,
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

describe('a stored day', () => {
  it('rejects amounts that are not numbers, and a total without lines', async () => {
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

  it('once complete, is not replaced by lines that do not add up to the reported total', async () => {
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

  it('is restated by a sync that first found the day unchanged and read it again because its total had moved', async () => {
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

  it('keeps nothing of a commit that failed', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1')]);
    const { content, numbers } = costContent([cost('2'), cost('3', { model: 'b' })]);
    const bad = {
      connectionId: id,
      report: 'cost',
      day: DAY,
      content: withAmounts(content, ['2', 'NaN']),
      numbers,
      attempt: await takeAttempt(database.db),
      sync: 1,
      today: TODAY,
      reported: null,
    } as const;
    await expect(commitDays(database.db, [bad])).rejects.toThrow();
    expect(await storedCost(database.db, id)).toEqual(['{"currency":"USD"} 1']);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ total: '1', lines: 1 });
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

  it('name the workspace of each line by its name, by its id if no name is known, or as the default workspace', async () => {
    const { id } = await connect(database.db, { organization: randomUUID() });
    await saveWorkspaces(database.db, id, [
      { id: 'w1', name: 'One', createdAt: null, archivedAt: null, tags: new Map(), reported: {} },
    ]);
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
