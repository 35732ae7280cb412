import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { disconnect } from '../../db/connections/disconnect.ts';
import type { Db } from '../../db/core/database.ts';
import { sharesOf, type Direct } from '../../domain/allocation/shares.ts';
import { documentOf, readAllocation } from '../../domain/allocation/check.ts';
import { matchOf } from '../../domain/allocation/match.ts';
import { toDecimal } from '../../domain/money.ts';
import { startApi, type Api } from '../api/support.ts';
import { NOW, VALUES, storeLedger } from '../spend/ledger.ts';
import { row, rows } from '../support/rows.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { document, type Document } from './documents.ts';
import { DOCUMENT, list, openWorld, send, type World } from './months.ts';

/** The view `allocated_costs` and the API answer the same questions. */

const LONGEST_MS = 240_000;

const COLUMN_OF: Readonly<Record<string, string>> = { connection: 'connection_id', workspace: 'workspace_id' };
const GROUPS = [
  ...['day', 'connection', 'workspace', 'model', 'token_type', 'context_window', 'service_tier', 'inference_geo'],
  ...['cost_type', 'description'],
];

/** The rows of a month by cost center, currency and these groups, each as a text, in no order. */
async function rowsOfApi(api: Api, month: string, groups: readonly string[]): Promise<string[]> {
  const by = encodeURIComponent(['cost_center', 'currency', ...groups].join(','));
  const { status, text, body } = await api.get(`/v1/chargeback/${month}?group_by=${by}&limit=10000`);
  expect([status, status === 200 ? body.next : text]).toEqual([200, null]);
  return body.data.map((row) => {
    const key = ['cost_center', 'currency', ...groups].map((group) => {
      const value = row[group];
      return typeof value === 'object' && value !== null && 'id' in value ? value.id : value;
    });
    return JSON.stringify([key, row['direct'], row['shared'], row['adjustment']]);
  });
}

async function rowsOfView(db: Db, month: string, groups: readonly string[]): Promise<string[]> {
  const columns = ['cost_center', 'currency', ...groups].map((group) => sql.identifier(COLUMN_OF[group] ?? group));
  const keys = sql.join(columns, sql`, `);
  const ofKind = (kind: string) =>
    sql`trim_scale(coalesce(sum(amount) filter (where kind = ${sql.raw(`'${kind}'`)}), 0))::text`;
  const found = await rows<{ row: unknown }>(
    db,
    sql`
      select jsonb_build_array(jsonb_build_array(${keys}), ${ofKind('direct')}, ${ofKind('shared')}, ${ofKind('adjustment')}) as row
      from allocated_costs where month = ${month} group by ${keys}
    `,
  );
  return found.map(({ row }) => JSON.stringify(row));
}

async function expectSame(api: Api, month: string, groups: readonly string[]): Promise<number> {
  const found = (await rowsOfView(api.db, month, groups)).sort();
  expect(found).toEqual((await rowsOfApi(api, month, groups)).sort());
  return found.length;
}

const text = z.string().nullable();
const line = z
  .object({
    ...{ day: z.string(), cost_center: text, model: text, token_type: text, description: text, currency: text },
    ...{ line_amount: text, share: text, amount: text, pool: text, version: z.int().nullable(), adjusts: text },
    connection: z.object({ id: z.string(), name: z.string() }),
    workspace: z.object({ id: text, name: z.string() }),
    rule: z.object({ name: z.string() }).nullable(),
  })
  .transform(({ connection, workspace, rule, adjusts, pool, ...own }) => [
    ...[own.day, own.cost_center, adjusts !== null ? 'adjustment' : pool === null ? 'direct' : 'shared'],
    ...[rule?.name ?? null, pool, own.version, connection.id, connection.name, workspace.id, workspace.name],
    ...[own.model, own.token_type, own.description, own.currency, own.line_amount, own.share, own.amount],
  ]);

/** The lines of a month, each as a text, in no order: where each went, and why. */
async function linesOfApi(api: Api, month: string): Promise<string[]> {
  const found: string[] = [];
  let after = '';
  do {
    const { status, text, body } = await api.get(`/v1/chargeback/${month}/lines?limit=10000${after}`);
    expect([status, status === 200 ? '' : text]).toEqual([200, '']);
    found.push(
      ...z
        .array(line)
        .parse(body.data)
        .map((one) => JSON.stringify(one)),
    );
    after = body.next === null ? '' : `&after=${body.next}`;
  } while (after !== '');
  return found;
}

async function linesOfView(db: Db, month: string): Promise<string[]> {
  const found = await rows<{ row: unknown }>(
    db,
    sql`
      select jsonb_build_array(
        day, cost_center, kind, rule, pool, version, connection_id, connection_name, workspace_id, workspace_name, model,
        token_type, description, currency, trim_scale(line_amount)::text, trim_scale(share)::text, trim_scale(amount)::text
      ) as row
      from allocated_costs where month = ${month}
    `,
  );
  return found.map(({ row }) => JSON.stringify(row));
}

describe('of open months', () => {
  let api: Api;
  let ids: string[];
  beforeAll(async () => {
    api = await startApi({ now: () => NOW });
    ids = (await storeLedger(api.db)).map(({ id }) => id);
  });
  afterAll(() => api.close());

  it(
    'the view has the rows of the API for every document and grouping, also of an organization that was connected again',
    async () => {
      let most = 0;
      await fc.assert(
        fc.asyncProperty(document('2026-03', ids.slice(0, 6)), fc.subarray(GROUPS), async (given, groups) => {
          await send(api, 'PUT', '/v1/allocation', given);
          most = Math.max(most, await expectSame(api, '2026-03', groups));
          await expectSame(api, '2026-02', []);
        }),
        { numRuns: 60, seed: 5 },
      );
      expect(most).toBeGreaterThan(50);
    },
    LONGEST_MS,
  );

  it(
    'the view says of each line what the API says: the rule, the pool, the version and the share',
    async () => {
      await fc.assert(
        fc.asyncProperty(document('2026-03', ids.slice(0, 6)), async (given) => {
          await send(api, 'PUT', '/v1/allocation', given);
          expect((await linesOfView(api.db, '2026-03')).sort()).toEqual((await linesOfApi(api, '2026-03')).sort());
        }),
        { numRuns: 12, seed: 8 },
      );
    },
    LONGEST_MS,
  );

  it('a reader who may select from the view, and from nothing else, sees all of it', async () => {
    const role = `reader_${randomBytes(4).toString('hex')}`;
    await api.db.execute(sql`create role ${sql.identifier(role)}`);
    await api.db.execute(sql`grant select on allocated_costs to ${sql.identifier(role)}`);
    try {
      const all = await rows(api.db, sql`select count(*)::int as count, sum(amount)::text as sum from allocated_costs`);
      // Whatever the reader's search path is.
      const asReader = async <T>(work: (tx: Db) => Promise<T>): Promise<T> =>
        api.db.transaction(async (tx) => {
          await tx.execute(sql`set local role ${sql.identifier(role)}`);
          await tx.execute(sql`set local search_path = pg_catalog`);
          return work(tx);
        });
      const seen = await asReader((tx) =>
        rows(tx, sql`select count(*)::int as count, sum(amount)::text as sum from public.allocated_costs`),
      );
      expect(seen).toEqual(all);
      await expect(asReader((tx) => rows(tx, sql`select from public.cost_lines`))).rejects.toThrow();
    } finally {
      await api.db.execute(sql`revoke select on allocated_costs from ${sql.identifier(role)}`);
      await api.db.execute(sql`drop role ${sql.identifier(role)}`);
    }
  });
});

describe('of closed months', () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.api.close());

  async function expectAllSame(): Promise<void> {
    for (const month of ['2026-01', '2026-02', '2026-03']) {
      for (const groups of [[], ['day', 'model'], ['connection', 'workspace', 'description']]) {
        await expectSame(world.api, month, groups);
      }
      expect((await linesOfView(world.api.db, month)).sort()).toEqual((await linesOfApi(world.api, month)).sort());
    }
  }

  it(
    'the view keeps what was closed, carries corrections where the API does, and survives renames, a reopening and a purge',
    async () => {
      const { api, ledger } = world;
      const [first, second] = ledger;
      if (first === undefined || second === undefined) throw new Error('two connections are needed');
      await expectAllSame();
      await send(api, 'POST', '/v1/chargeback/2026-01/close', {});
      await expectAllSame();
      await send(api, 'PUT', '/v1/allocation', { ...DOCUMENT, from: '2026-02', rules: DOCUMENT.rules.slice(1) });
      await list(api.db, first.id, [{ id: 'w1', name: 'Renamed', tags: { team: 'Other' } }]);
      await send(api, 'PATCH', `/v1/connections/${first.id}`, { name: 'Renamed' });
      await world.restate(0, '2026-01-10', 501);
      await world.restate(1, '2026-01-28', 502);
      await expectAllSame();
      await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
      await world.restate(0, '2026-01-10', 503);
      await world.restate(1, '2026-02-11', 504);
      await expectAllSame();
      const otherwise = sql`
        select from allocated_costs a join connections c on c.id = a.connection_id
        where (a.organization_id, a.organization_name) is distinct from (c.organization_id, c.organization_name)
      `;
      expect(await rows(api.db, otherwise)).toEqual([]);
      await send(api, 'POST', '/v1/chargeback/2026-02/reopen', { reason: 'a test' });
      await expectAllSame();
      await send(api, 'POST', '/v1/chargeback/2026-02/close', {});
      await disconnect(api.db, first.id, true);
      await expectAllSame();
      await disconnect(api.db, second.id, true);
      await expectAllSame();
    },
    LONGEST_MS,
  );
});

describe('the functions of the view', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  const CONNECTION = '00000000-0000-4000-8000-000000000001';
  // Names on both sides of the surrogates of UTF-16, where its order is not that of code points.
  const NAMES = ['A', 'b', 'platform', 'Ünïcode ☃', '=1+1', '\uffe0', '\u{1f600}', '\ue000'];
  const amount = fc
    .tuple(
      fc.oneof(fc.constant(0n), fc.bigInt(-(10n ** 6n), 10n ** 18n), fc.bigInt(-5n, 5n)),
      fc.constantFrom('', '.5'),
    )
    .map(([units, half]) => toDecimal(`${units}${half}`));
  const held: fc.Arbitrary<Direct> = fc
    .record({
      centers: fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), amount), { selector: ([name]) => name }),
      pools: fc.uniqueArray(fc.tuple(fc.constantFrom('first', 'second', 'third'), amount), {
        selector: ([name]) => name,
      }),
    })
    .map(({ centers, pools }) => ({ centers: new Map(centers), pools: new Map(pools) }));
  const jsonOf = ({ centers, pools }: Direct): string =>
    `{${[
      ...[...centers].map(([name, value]) => `${JSON.stringify(`center ${name}`)}: ${value}`),
      ...[...pools].map(([name, value]) => `${JSON.stringify(`pool ${name}`)}: ${value}`),
    ].join(', ')}}`;
  const stored = (drawn: Document) => {
    const { allocation, faults } = readAllocation({ ...drawn, from: '2026-03' });
    expect(faults).toEqual([]);
    const { rules, pools } = documentOf(allocation);
    return { allocation, rules: JSON.stringify(rules), pools: JSON.stringify(pools) };
  };

  it(
    'share pools as the API does, to the last digit, whatever the weights are',
    async () => {
      await fc.assert(
        fc.asyncProperty(document('2026-03', [CONNECTION]), held, held, async (drawn, cost, tokens) => {
          const { allocation, pools } = stored(drawn);
          const expected = sharesOf(allocation, cost, tokens).flatMap(({ pool, centers, unallocated }) => [
            ...[...centers].map(([center, fraction]) => [pool, center, fraction]),
            ...(unallocated === '0' ? [] : [[pool, null, unallocated]]),
          ]);
          const found = await rows<{ row: unknown[] }>(
            database.db,
            sql`
              select jsonb_build_array(pool, center, fraction::text) as row
              from allocation_shares(${pools}::jsonb, ${jsonOf(cost)}::jsonb, ${jsonOf(tokens)}::jsonb)
            `,
          );
          const texts = (all: readonly unknown[]): string[] => all.map((one) => JSON.stringify(one)).sort();
          expect(texts(found.map(({ row }) => row))).toEqual(texts(expected));
        }),
        { numRuns: 400, seed: 12 },
      );
    },
    LONGEST_MS,
  );

  it(
    'find the rule that the API finds, whatever the values are',
    async () => {
      const values = fc.record({
        workspace: fc.constantFrom(...VALUES.workspace, 'default'),
        model: fc.constantFrom(...VALUES.model),
        service_tier: fc.constantFrom(...VALUES.service_tier),
        cost_type: fc.constantFrom(...VALUES.cost_type),
        description: fc.constantFrom(...VALUES.description),
        'tag.team': fc.constantFrom(...VALUES.tags.team),
        'tag.env': fc.constantFrom(...VALUES.tags.env),
      });
      let matches = 0;
      await fc.assert(
        fc.asyncProperty(document('2026-03', [CONNECTION]), values, async (drawn, about) => {
          const { allocation, rules } = stored(drawn);
          const known = new Map<string, string | null>(Object.entries(about));
          const expected = matchOf(allocation.rules, (dimension) => known.get(dimension) ?? null)?.rule ?? null;
          // In documents a word stands for the default workspace. No other workspace is found by it.
          const { workspace } = about;
          const spelled = workspace === null ? 'default' : workspace === 'default' ? null : workspace;
          const values = JSON.stringify({ ...about, workspace: spelled });
          const found = await row<{ rule: number | null }>(
            database.db,
            sql`
              select nullif(position(B'1' in bit_and(allocation_mask(${rules}::jsonb, key, ${values}::jsonb ->> key))), 0) - 1 as rule
              from (select '' as key union all select jsonb_object_keys(allocation_values(${rules}::jsonb))) asked
            `,
          );
          expect(found.rule).toBe(expected);
          if (expected !== null) matches += 1;
        }),
        { numRuns: 400, seed: 13 },
      );
      expect(matches).toBeGreaterThan(100);
    },
    LONGEST_MS,
  );
});
