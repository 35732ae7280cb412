import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { ConnectionGoneError, shareLive } from '../../db/connections/live.ts';
import { setStatus } from '../../db/connections/status.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import type { Dimensions } from '../../domain/lines.ts';
import type { CostLine } from '../support/lines.ts';
import { seriesIdOf } from '../../pages/series.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import { until } from '../support/wait.ts';
import { costModel, linesOf, storedCost } from './ledger-support.ts';
import { commitCost, commitUsage, connect, cost, count, dayRow, promised, takeAttempt, waiting } from './support.ts';

/** The id of a series as text. */
function idOf(dimensions: Dimensions): string {
  return Buffer.from(seriesIdOf(dimensions)).toString('hex');
}

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('attempts that overlap', () => {
  it('get increasing numbers', async () => {
    const first = await takeAttempt(database.db);
    expect(await takeAttempt(database.db)).toBeGreaterThan(first);
  });

  it('never let an older attempt replace a day that a newer one read, nor an attempt its own', async () => {
    const { id } = await connect(database.db);
    const [older, newer] = [await takeAttempt(database.db), await takeAttempt(database.db)];
    expect(await commitCost(database.db, id, [cost('2')], { attempt: newer })).toBe('changed');
    expect(await commitCost(database.db, id, [cost('1')], { attempt: older, sync: 5 })).toBe('stale');
    expect(await commitCost(database.db, id, [cost('3')], { attempt: newer, sync: 5 })).toBe('stale');
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ total: '2', attempt: newer });
    expect(await storedCost(database.db, id)).toEqual(['{"currency":"USD"} 2']);
  });

  it('count a read that found the day unchanged, so an older attempt cannot replace it', async () => {
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

  it('that commit at the same instant leave the newest day, whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 2 }), async (order) => {
        const { id } = await connect(database.db);
        const linesOfRead = (read: number): CostLine[] =>
          Array.from({ length: 10 }, (_, index) => cost(`${read}`, { model: `${(index + read) % 14}` }));
        await Promise.all(order.map((read) => commitCost(database.db, id, linesOfRead(read), { attempt: read })));
        const newest = Math.max(...order);
        expect(await storedCost(database.db, id)).toEqual(linesOf(costModel(linesOfRead(newest))));
        expect(await dayRow(database.db, id, 'cost')).toMatchObject({
          attempt: newest,
          lines: 10,
          total: String(newest * 10),
        });
      }),
      { numRuns: 15 },
    );
  });

  it('add new series in one order, so that they cannot deadlock', async () => {
    const { id } = await connect(database.db);
    const lines = ['a', 'b', 'c', 'd'].map((model) => cost('1', { model }));
    const upwards = lines.map(({ dimensions }) => idOf(dimensions)).sort();
    const downwards = [...lines].sort((a, b) => (idOf(a.dimensions) < idOf(b.dimensions) ? 1 : -1));
    const first = promised();
    const other = database.db.transaction(async (tx) => {
      for (const seriesId of upwards) {
        await tx.execute(sql`
          insert into cost_series (connection_id, series_id, currency, unit_id)
          values (${id}, ${seriesId}, 'USD', ${seriesId})
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
  it('takes no days and no workspaces afterwards', async () => {
    const { id } = await connect(database.db);
    const other = await connect(database.db);
    await commitCost(database.db, id, [cost('1')]);
    await saveWorkspaces(database.db, id, [
      { id: 'w', name: 'W', createdAt: null, archivedAt: null, tags: new Map(), reported: {} },
    ]);
    await disconnect(database.db, id, true);
    const late = commitCost(database.db, id, [cost('2')]);
    await expect(late).rejects.toThrow(ConnectionGoneError);
    await expect(commitUsage(database.db, randomUUID(), [])).rejects.toThrow(ConnectionGoneError);
    const workspace = { id: 'x', name: 'X', createdAt: null, archivedAt: null, tags: new Map(), reported: {} };
    await expect(saveWorkspaces(database.db, id, [workspace])).rejects.toThrow(ConnectionGoneError);
    for (const table of ['days', 'cost_series', 'workspaces', 'restatements', 'syncs']) {
      expect(await count(database.db, sql`${sql.identifier(table)} where connection_id = ${id}`), table).toBe(0);
    }
    expect(await count(database.db, sql`cost_lines where day_no not in (select day_no from days)`)).toBe(0);
    expect(await commitCost(database.db, other.id, [cost('1')])).toBe('changed');
  });

  it('keeps its data unless it is purged', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, [cost('1')]);
    await disconnect(database.db, id, false);
    expect(await storedCost(database.db, id)).toEqual(['{"currency":"USD"} 1']);
    await expect(commitCost(database.db, id, [cost('2')])).rejects.toThrow(ConnectionGoneError);
    expect(await storedCost(database.db, id)).toEqual(['{"currency":"USD"} 1']);
  });

  it('waits for a running commit, and a change of status does not', async () => {
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
