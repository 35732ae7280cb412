import fc from 'fast-check';
import { sql } from 'drizzle-orm';
import { disconnect } from '../../db/connections/disconnect.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import type { Db } from '../../db/core/database.ts';
import { toDay } from '../../domain/days.ts';
import { seedConnection } from '../api/support.ts';
import { commitCost, commitUsage, cost, usage } from '../db/support.ts';
import { daysOf } from './days.ts';

/** The ledger that the queries of these tests are asked about, and the same in memory for the oracle. */

/** The instant at which the API believes to be. */
export const NOW = Date.parse('2026-03-31T12:00:00Z');
export const TODAY = '2026-03-31';

/** What a line is about. Null and the empty text differ. */
export type Value = string | null;

export interface CostLine {
  readonly workspace: Value;
  readonly model: Value;
  readonly token_type: Value;
  readonly context_window: Value;
  readonly service_tier: Value;
  readonly inference_geo: Value;
  readonly cost_type: Value;
  readonly description: Value;
  readonly currency: string;
  readonly amount: string;
}

/** The counts that have a column. */
export const COUNTS = [
  'uncached_input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_5m',
  'cache_creation_1h',
  'web_search_requests',
] as const;

export interface UsageLine {
  readonly workspace: Value;
  readonly model: Value;
  readonly context_window: Value;
  readonly service_tier: Value;
  readonly inference_geo: Value;
  readonly counts: readonly number[];
  /** By path. */
  readonly others: Readonly<Record<string, string>>;
}

export interface ReadDay<Line> {
  readonly isProvisional: boolean;
  readonly lines: readonly Line[];
}

export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Connection {
  readonly id: string;
  readonly name: string;
  readonly organization: string;
  readonly began: string;
  /** The day of its end; null while it lives. */
  readonly ended: string | null;
  readonly isRefused: boolean;
  readonly isPurged: boolean;
  /** As it listed them last. Of the connections of an organization, the later in the ledger listed later. */
  readonly workspaces: readonly Workspace[];
  readonly cost: ReadonlyMap<string, ReadDay<CostLine>>;
  readonly usage: ReadonlyMap<string, ReadDay<UsageLine>>;
}

/** The connections, the oldest first. */
export type Ledger = readonly Connection[];

interface Plan extends Omit<Connection, 'id' | 'cost' | 'usage'> {
  /** The days that it has, unless a draw leaves one out. */
  readonly has: readonly (readonly [from: string, to: string])[];
}

const ALL = [
  ['2025-03-29', '2025-03-31'],
  ['2026-02-26', '2026-03-01'],
  ['2026-03-23', '2026-03-31'],
] as const;

/** An organization that was connected again, a second one, one that ended, one that was purged, and one refused. */
const PLANS: readonly Plan[] = [
  {
    ...{ name: 'Old', organization: 'a', began: '2025-03-29', ended: '2026-03-26', isRefused: false, isPurged: false },
    workspaces: [
      { id: 'w1', name: 'Former', tags: { team: 'gone', 'cost center': '7' } },
      { id: 'w2', name: 'Same', tags: { team: 'platform' } },
    ],
    has: [
      ['2025-03-29', '2025-03-31'],
      ['2026-02-26', '2026-03-01'],
      ['2026-03-23', '2026-03-26'],
    ],
  },
  {
    ...{ name: 'Gone', organization: 'd', began: '2026-02-01', ended: '2026-03-28', isRefused: false, isPurged: true },
    workspaces: [{ id: 'w1', name: 'Purged', tags: { team: 'purged' } }],
    has: [['2026-03-23', '2026-03-28']],
  },
  {
    ...{ name: '=Ended, "x"', organization: 'c', began: '2026-03-24', ended: '2026-03-27' },
    ...{ isRefused: false, isPurged: false },
    workspaces: [{ id: 'w1', name: '-1', tags: {} }],
    has: [['2026-03-24', '2026-03-27']],
  },
  {
    ...{
      name: 'Refused',
      organization: 'e',
      began: '2026-03-01',
      ended: '2026-03-01',
      isRefused: true,
      isPurged: false,
    },
    workspaces: [],
    has: [],
  },
  {
    ...{ name: 'Other', organization: 'b', began: '2025-03-01', ended: null, isRefused: false, isPurged: false },
    workspaces: [
      { id: 'w1', name: 'Öther ☃', tags: { team: 'platform', env: '=1+1' } },
      { id: 'w3', name: 'Same', tags: { team: 'Platform' } },
    ],
    has: ALL,
  },
  {
    ...{ name: 'New', organization: 'a', began: '2026-03-25', ended: null, isRefused: false, isPurged: false },
    workspaces: [
      { id: 'w1', name: 'Now', tags: { team: 'platform', env: 'prod' } },
      { id: 'w3', name: 'Same', tags: {} },
    ],
    has: [['2026-03-25', '2026-03-31']],
  },
];

/** The values that lines have, and some that none has. */
export const VALUES = {
  workspace: [null, 'w1', 'w2', 'w3', 'w4'],
  model: [null, 'claude-a', 'claude-B', 'Ünïcode ☃', ''],
  token_type: [
    ...[null, 'uncached_input_tokens', 'output_tokens', 'cache_read_input_tokens'],
    ...['cache_creation.ephemeral_5m_input_tokens', 'cache_creation.ephemeral_1h_input_tokens'],
    'cache_creation.ephemeral_24h_input_tokens',
  ],
  context_window: [null, '0-200k', '200k-1M'],
  service_tier: [null, 'standard', 'batch', 'priority'],
  inference_geo: [null, 'us', 'not_available'],
  cost_type: [null, 'tokens', 'web_search'],
  description: [null, '=1+1', '-1, "quoted"', "@o'clock\r\n\\n", 'plain', ''],
  currency: ['USD', 'EUR', 'JPY'],
  tags: {
    team: [null, 'platform', 'Platform', 'gone', 'purged'],
    env: [null, 'prod', '=1+1'],
    'cost center': [null, '7'],
  },
} as const;

const value = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

/** Few of them, so that costs meet tokens, and lines of one day those of another. */
const UNITS = fc.sample(
  fc.record({
    workspace: value(VALUES.workspace),
    model: value(VALUES.model),
    context_window: value(VALUES.context_window),
    service_tier: value(VALUES.service_tier),
    inference_geo: value(VALUES.inference_geo),
  }),
  { numRuns: 14, seed: 5 },
);

const amount = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom('0', '-1.5', '1.5', '0.000000000000000001', '98765432109876543210.5') },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.bigInt(-(10n ** 12n), 10n ** 16n), fc.integer({ min: 0, max: 18 })).map(([units, scale]) => {
      const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
      const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
      return `${units < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}${fraction === '' ? '' : `.${fraction}`}`;
    }),
  },
);

const costLine: fc.Arbitrary<CostLine> = fc
  .record({
    unit: value(UNITS),
    token_type: value(VALUES.token_type),
    cost_type: value(VALUES.cost_type),
    description: value(VALUES.description),
    currency: value(['USD', 'USD', 'USD', 'USD', 'EUR', 'JPY']),
    hasGeo: fc.boolean(),
    amount,
  })
  .map(({ unit, hasGeo, ...line }) => {
    // What usage calls `not_available` may be absent in costs.
    const isLeftOut = unit.inference_geo === 'not_available' && !hasGeo;
    return { ...unit, ...(isLeftOut ? { inference_geo: null } : {}), ...line };
  });

const count = fc.oneof(fc.constant(0), fc.nat(50), fc.maxSafeInteger().map(Math.abs));
const usageLine: fc.Arbitrary<UsageLine> = fc
  .record({
    unit: value(UNITS),
    counts: fc.array(count, { minLength: COUNTS.length, maxLength: COUNTS.length }),
    others: fc.record(
      {
        'cache_creation.ephemeral_24h_input_tokens': fc.integer({ min: 1, max: 1_000 }).map(String),
        hours: value(['0.1', '0.25', '-0.1', '-3']),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ unit, ...line }) => ({ ...unit, ...line }));

/** The days of a report that a connection has. One in eight is missing; today's are always provisional. */
function drawDays<Line>(plan: Plan, line: fc.Arbitrary<Line>, most: number, seed: number): Map<string, ReadDay<Line>> {
  const days = plan.has.flatMap(([from, to]) => daysOf({ from, to }));
  const drawn = fc.sample(
    fc.record({
      isMissing: fc.integer({ min: 0, max: 7 }).map((draw) => draw === 0),
      isProvisional: fc.boolean(),
      lines: fc.oneof(
        { weight: 1, arbitrary: fc.constant([]) },
        { weight: 9, arbitrary: fc.array(line, { minLength: 8, maxLength: most }) },
      ),
    }),
    { numRuns: days.length, seed },
  );
  return new Map(
    days.flatMap((day, index): [string, ReadDay<Line>][] => {
      const { isMissing = true, isProvisional = true, lines = [] } = drawn[index] ?? {};
      return isMissing ? [] : [[day, { isProvisional: isProvisional || day >= TODAY, lines }]];
    }),
  );
}

/** A day of costs. */
export function drawCosts(seed: number): ReadDay<CostLine> {
  return { isProvisional: true, lines: fc.sample(costLine, { numRuns: 12, seed }) };
}

/** A day of usage. */
export function drawUsage(seed: number): ReadDay<UsageLine> {
  return { isProvisional: true, lines: fc.sample(usageLine, { numRuns: 8, seed }) };
}

/** What the lines of a connection are drawn from. */
export interface LinesOf {
  readonly cost: fc.Arbitrary<CostLine>;
  readonly usage: fc.Arbitrary<UsageLine>;
}

/** Stores the ledger as syncs would, in the order of time. The lines of a connection may depend on its name. */
export async function storeLedger(
  db: Db,
  linesOf: (name: string) => LinesOf = () => ({ cost: costLine, usage: usageLine }),
): Promise<Ledger> {
  const ledger: Connection[] = [];
  for (const [index, plan] of PLANS.entries()) {
    const createdAt = new Date(NOW + index);
    const { name, began, ended, isPurged, isRefused, organization, workspaces } = plan;
    const id = await seedConnection(db, {
      ...{ name, organization, createdAt, began: toDay(began) },
      ...(isRefused ? { status: 'refused', endedAt: endOf(ended) } : {}),
    });
    const cost = drawDays(plan, linesOf(name).cost, 22, index);
    const usage = drawDays(plan, linesOf(name).usage, 14, 100 + index);
    if (!isRefused) await saveWorkspaces(db, id, workspaces.map(listed));
    for (const [day, read] of cost) await storeCost(db, id, day, read);
    for (const [day, read] of usage) await storeUsage(db, id, day, read);
    if (ended !== null && !isRefused) {
      await disconnect(db, id, isPurged);
      await db.execute(sql`update connections set ended_at = ${endOf(ended).toISOString()} where id = ${id}`);
    }
    ledger.push({ ...plan, id, cost: isPurged ? new Map() : cost, usage: isPurged ? new Map() : usage });
  }
  return ledger.map((connection) => (connection.isPurged ? { ...connection, workspaces: [] } : connection));
}

function endOf(day: string | null): Date {
  return new Date(`${day ?? TODAY}T13:00:00Z`);
}

function listed({ id, name, tags }: Workspace): Parameters<typeof saveWorkspaces>[2][number] {
  return { id, name, createdAt: null, archivedAt: null, tags: new Map(Object.entries(tags)), reported: {} };
}

export async function storeCost(
  db: Db,
  id: string,
  day: string,
  { lines, isProvisional }: ReadDay<CostLine>,
): Promise<void> {
  const content = lines.map(({ workspace, amount: given, ...dimensions }, index) =>
    cost(given, { ...dimensions, workspace_id: workspace, ...unknownField(index) }),
  );
  await commitCost(db, id, content, { day: toDay(day), today: toDay(TODAY) });
  await settle(db, id, 'cost', day, isProvisional);
}

export async function storeUsage(
  db: Db,
  id: string,
  day: string,
  { lines, isProvisional }: ReadDay<UsageLine>,
): Promise<void> {
  const content = lines.map(({ workspace, counts, others, ...dimensions }, index) =>
    usage(
      Object.fromEntries(COUNTS.map((name, place) => [name, counts[place] ?? 0])),
      { ...dimensions, workspace_id: workspace, ...unknownField(index) },
      Object.fromEntries(Object.entries(others).map(([path, text]) => [path, Number(text)])),
    ),
  );
  await commitUsage(db, id, content, { day: toDay(day), today: toDay(TODAY) });
  await settle(db, id, 'usage', day, isProvisional);
}

/** Every third line has a dimension that no query knows, so lines that are alike for a query are not one. */
function unknownField(index: number): { speed?: string } {
  return index % 3 === 0 ? { speed: 'fast' } : {};
}

async function settle(db: Db, id: string, report: string, day: string, isProvisional: boolean): Promise<void> {
  await db.execute(sql`
    update days set state = ${isProvisional ? 'provisional' : 'final'}, reconciled = true, disagrees_with = null
    where connection_id = ${id} and report = ${report} and day = ${day}
  `);
}
