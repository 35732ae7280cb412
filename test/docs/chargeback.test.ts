import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { toDay } from '../../domain/days.ts';
import { addDecimals, toDecimal } from '../../domain/money.ts';
import { seedConnection, startApi, type Api } from '../api/support.ts';
import { send } from '../allocation/months.ts';
import { commitCost, commitUsage, cost } from '../db/support.ts';
import { daysOf } from '../spend/days.ts';
import { blockOf, read, rowsOf } from '../support/documents.ts';
import { row } from '../support/rows.ts';

/** What docs/chargeback.md promises is what the API does with its example. */

const PAGE = 'docs/chargeback.md';
const JANUARY = { from: '2026-01-01', to: '2026-01-31' };

/** The rows of the table that follows a mark. */
function tableOf(mark: string): string[][] {
  const [, text = ''] = read(PAGE).split(`<!-- test: ${mark} -->`);
  return rowsOf(text.split('\n\n')[1] ?? '');
}

let api: Api;
beforeAll(async () => {
  api = await startApi({ now: () => Date.parse('2026-02-20T12:00:00Z') });
  const id = await seedConnection(api.db, { began: toDay(JANUARY.from) });
  const lines = tableOf('lines').map(([workspace = '', team = '', costType = '', amount = '']) => {
    return { workspace: workspace === 'Default workspace' ? null : workspace, team, costType, amount };
  });
  const tags = new Map(lines.map(({ workspace, team }) => [workspace, team]));
  await saveWorkspaces(
    api.db,
    id,
    [...tags].flatMap(([name, team]) =>
      name === null
        ? []
        : [
            {
              id: name,
              name,
              tags: new Map(team === '' ? [] : [['team', team]]),
              ...{ createdAt: null, archivedAt: null, reported: {} },
            },
          ],
    ),
  );
  for (const [place, day] of daysOf(JANUARY).map(toDay).entries()) {
    // Each line has a day of its own, and the other days are without costs.
    const own = lines
      .slice(place, place + 1)
      .map(({ workspace, costType, amount }) => cost(amount, { workspace_id: workspace, cost_type: costType }));
    const at = { day, today: toDay('2026-02-20') };
    await commitCost(api.db, id, own, at);
    await commitUsage(api.db, id, [], at);
  }
  await api.db.execute(sql`update days set state = 'final', reconciled = true, disagrees_with = null`);
  await send(api, 'PUT', '/v1/allocation', JSON.parse(blockOf(PAGE, 'document', 'json')));
});
afterAll(() => api.close());

const decimals = z.array(
  z.object({ cost_center: z.string().nullable(), direct: z.string(), shared: z.string(), amount: z.string() }),
);
const entries = z.array(z.object({ entry: z.string(), cost_center: z.string().nullable(), amount: z.string() }));

describe('the page on chargeback', () => {
  test('has an example whose numbers the API computes', async () => {
    const { body } = await send(api, 'GET', '/v1/chargeback/2026-01');
    const journal = entries.parse((await send(api, 'GET', '/v1/chargeback/2026-01/journal')).body.data);
    const found = decimals.parse(body.data).map(({ cost_center: center, direct, shared, amount }) => {
      const booked = journal.find((one) => one.cost_center === center && one.entry === 'cost');
      return [center ?? 'nobody', direct, shared, amount, booked?.amount];
    });
    expect(found).toEqual(tableOf('result'));
    expect(body.total).toBe(addDecimals(tableOf('result').map(([, , , amount = '']) => toDecimal(amount))));
    expect(read(PAGE)).toContain(`The amounts add up to ${body.total}, the bill.`);
  });

  test('has the fractions of the example', async () => {
    const { body } = await send(api, 'GET', '/v1/chargeback/2026-01/lines');
    const lines = z.array(z.object({ pool: z.string().nullable(), share: z.string() })).parse(body.data);
    const fractions = lines.flatMap(({ pool, share }) => (pool === null ? [] : [share]));
    expect(fractions).toHaveLength(4);
    for (const fraction of fractions) expect(read(PAGE)).toContain(fraction);
  });

  test('has the query that computes the hash of a statement', async () => {
    const closed = await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
    const { sha256 } = z.looseObject({ sha256: z.string() }).parse(closed.body);
    expect(await row(api.db, sql.raw(blockOf(PAGE, 'hash')))).toEqual({ sha256 });
  });
});
