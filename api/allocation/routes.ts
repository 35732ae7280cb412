import { z } from 'zod';
import {
  documentOf,
  readAllocation,
  type AllocationDocument,
  type PoolDocument,
  type RuleDocument,
} from '../../domain/allocation/check.ts';
import type { Allocation } from '../../domain/allocation/document.ts';
import { connectionWarnings, connectionsIn } from '../../domain/allocation/connections.ts';
import { followedTags, paddedWarnings } from '../../domain/allocation/padded.ts';
import { warningsOf, type Warning } from '../../domain/allocation/reach.ts';
import { allocate } from '../../domain/allocation/shares.ts';
import { ZERO, addDecimals, subtractDecimals, type Decimal } from '../../domain/money.ts';
import { daysOfMonth, monthOf, type Month } from '../../domain/months.ts';
import {
  ClosedMonthError,
  allocationOf,
  listAllocations,
  storeAllocation,
  type AllocationVersion,
} from '../../db/allocation/versions.ts';
import { reportsOf } from '../../db/allocation/close.ts';
import { paddedTags } from '../../db/allocation/padded-tags.ts';
import { newestConnections } from '../../db/connections/newest.ts';
import { monthQuery } from '../../db/allocation/source.ts';
import { findStatement } from '../../db/allocation/statements.ts';
import { weigh, type Weighed } from '../../db/allocation/weights.ts';
import { inSnapshot } from '../../db/core/cursor.ts';
import { readCompleteness } from '../../db/spend/completeness.ts';
import { giveRoom } from '../../db/spend/rows.ts';
import { todayOf } from '../connections/lookups.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { daysOf } from '../spend/documents.ts';
import {
  allocation as allocationOut,
  allocationQuery,
  newAllocation,
  preview as previewOut,
  previewedAllocation,
  versionList,
  versionsQuery,
} from './schemas.ts';

const tag = 'Allocation';

const put = endpoint({
  method: 'put',
  path: '/v1/allocation',
  tag,
  operation: 'putAllocation',
  summary: 'Stores the allocation document, in force from a month on',
  description:
    'Earlier months keep the document that they have. A document from a month that has one already takes its place; the same document again changes nothing. No month from `from` on may be closed.',
  query: nothing,
  body: newAllocation,
  out: allocationOut,
  statuses: { 200: 'The stored version.' },
  problems: ['invalid_allocation', 'conflict'],
  handle: async ({ body, actor }, deps) => {
    const given = allocationIn(body.from, body.rules, body.pools ?? []);
    const { stored, isNew } = await storeAllocation(deps.db, given, actor).catch((error: unknown) => {
      if (!(error instanceof ClosedMonthError)) throw error;
      throw contradiction('body.from', `must be after ${error.lastClosed}, the last closed month`);
    });
    if (isNew) deps.log.info({ version: stored.version, from: body.from, actor }, 'an allocation is stored');
    return { status: 200, body: { ...versionFields(stored), warnings: await warningsIn(deps, stored.allocation) } };
  },
});

/** The allocation of a request. Throws `invalid_allocation` with everything that is wrong with it. */
function allocationIn(from: Month, rules: readonly RuleDocument[], pools: readonly PoolDocument[]): Allocation {
  const { allocation, faults } = readAllocation({ from, rules, pools });
  if (faults.length === 0) return allocation;
  const errors = faults.map(({ path, message }) => ({ path: `body.${path}`, message }));
  throw new Problem('invalid_allocation', {
    detail: errors
      .map(({ message }) => message)
      .join('; ')
      .slice(0, 2_000),
    errors,
  });
}

/** What a document has no use for, the connections that its rules miss, and values that look like others. */
async function warningsIn({ db }: Deps, allocation: Allocation): Promise<Warning[]> {
  const newest = await newestConnections(db, connectionsIn(allocation));
  const padded = await paddedTags(db, followedTags(allocation));
  return [...warningsOf(allocation), ...connectionWarnings(allocation, newest), ...paddedWarnings(allocation, padded)];
}

const get = endpoint({
  method: 'get',
  path: '/v1/allocation',
  tag,
  operation: 'getAllocation',
  summary: 'Shows the allocation document in force in a month',
  query: allocationQuery,
  body: nothing,
  out: allocationOut,
  statuses: { 200: 'The version in force.' },
  problems: ['not_found'],
  handle: async ({ query }, deps) => {
    const month = query.month ?? monthOf(todayOf(deps));
    const found = await allocationOf(deps.db, month);
    if (found === null) {
      throw new Problem('not_found', {
        detail: `No allocation is in force in ${month}. PUT /v1/allocation stores one.`,
      });
    }
    return { status: 200, body: { ...versionFields(found), warnings: await warningsIn(deps, found.allocation) } };
  },
});

const versions = endpoint({
  method: 'get',
  path: '/v1/allocation/versions',
  tag,
  operation: 'listAllocationVersions',
  summary: 'Lists every version of the allocation document, newest first',
  query: versionsQuery,
  body: nothing,
  out: versionList,
  statuses: { 200: 'A page of versions.' },
  problems: ['conflict'],
  handle: async ({ query: { limit, after } }, deps) => {
    const found = await listAllocations(deps.db, {
      after:
        after === undefined
          ? null
          : decodeCursor(
              after,
              z
                .int()
                .min(1)
                .max(2 ** 31 - 1),
            ),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, ({ version }) => version);
    const data = page.map((one) => ({ ...versionFields(one), in_force: one.isInForce, through: one.through }));
    return { status: 200, body: { data, next } };
  },
});

type VersionFields = Omit<z.input<typeof allocationOut>, 'warnings'>;

function versionFields({ version, allocation, actor, at }: AllocationVersion): VersionFields {
  const { from, rules, pools } = documentOf(allocation);
  return { version, from, rules: rules.map(ruleOut), pools: pools.map(poolOut), stored_by: actor, stored_at: at };
}

function ruleOut({ name, where, to }: AllocationDocument['rules'][number]): VersionFields['rules'][number] {
  return { name, where: whereOut.parse(where), to };
}

const whereOut = allocationOut.shape.rules.element.shape.where;

function poolOut({ name, split, among }: PoolDocument): VersionFields['pools'][number] {
  const own = typeof split === 'object' && 'fixed' in split ? { fixed: { ...split.fixed } } : split;
  return { name, split: own, ...(among === undefined ? {} : { among: [...among] }) };
}

const preview = endpoint({
  method: 'post',
  path: '/v1/allocation/preview',
  tag,
  operation: 'previewAllocation',
  summary: 'Shows what a document would change in an open month; stores nothing',
  onlyReads: true,
  query: nothing,
  body: previewedAllocation,
  out: previewOut,
  statuses: { 200: 'Each cost center before and after.' },
  problems: ['invalid_allocation', 'conflict'],
  inTurn: true,
  handle: async ({ body }, deps) => {
    const { month } = body;
    const given = allocationIn(body.from ?? month, body.rules, body.pools ?? []);
    const today = todayOf(deps);
    const [before, after, days] = await inSnapshot(deps.db, async (tx) => {
      await giveRoom(tx);
      if ((await findStatement(tx, month, null)) !== null) {
        throw contradiction('body.month', 'is closed and does not change; choose an open month');
      }
      const present = await allocationOf(tx, month);
      return [
        await weigh(tx, month, today, present?.allocation ?? null),
        await weigh(tx, month, today, given),
        await readCompleteness(tx, monthQuery(month, today), reportsOf({ allocation: given })),
      ];
    });
    const data = changesOf(before, after);
    return {
      status: 200,
      body: {
        month,
        ...daysOfMonth(month),
        data,
        pools: poolsOf(after),
        total: addDecimals(data.map((row) => row.after)),
        warnings: await warningsIn(deps, given),
        ...daysOf(days),
      },
    };
  },
});

function changesOf(
  before: Weighed,
  after: Weighed,
): { cost_center: string | null; before: Decimal; after: Decimal; change: Decimal }[] {
  const [then, now] = [before, after].map(({ direct, unmatched, shares }) => allocate(direct, unmatched, shares));
  const rowOf = (center: string | null, own: Decimal, other: Decimal) => ({
    cost_center: center,
    before: own,
    after: other,
    change: subtractDecimals(other, own),
  });
  const centers = [...new Set([...(then?.centers.keys() ?? []), ...(now?.centers.keys() ?? [])])].sort((a, b) =>
    a < b ? -1 : 1,
  );
  return [
    ...centers.map((center) => rowOf(center, then?.centers.get(center) ?? ZERO, now?.centers.get(center) ?? ZERO)),
    rowOf(null, then?.unallocated ?? ZERO, now?.unallocated ?? ZERO),
  ];
}

function poolsOf({ direct, shares }: Weighed): z.input<typeof previewOut>['pools'] {
  return shares.map(({ pool, centers, unallocated }) => ({
    pool,
    amount: direct.pools.get(pool) ?? ZERO,
    shares: [
      ...[...centers].map(([center, share]) => ({ cost_center: center, share })),
      ...(unallocated === ZERO ? [] : [{ cost_center: null, share: unallocated }]),
    ],
  }));
}

/** Who each line of cost belongs to. */
export const allocationRoutes = [put, get, versions, preview];
