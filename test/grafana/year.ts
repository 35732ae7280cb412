import { sql } from 'drizzle-orm';
import { disconnect } from '../../db/connections/disconnect.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import type { Db } from '../../db/core/database.ts';
import { toDay } from '../../domain/days.ts';
import { seedConnection } from '../api/support.ts';
import { commitCost, commitUsage, cost, usage } from '../db/support.ts';
import { daysOf, plus } from '../spend/days.ts';

/** A year of three organizations, in the database and in memory. The last day is today's, since coverage ends there. */

export const TODAY = new Date().toISOString().slice(0, 10);
export const FIRST = plus(TODAY, -364);

export interface CostLine {
  readonly workspace: string | null;
  readonly model: string | null;
  readonly tokenType: string | null;
  readonly tier: string;
  readonly costType: string;
  readonly currency: string;
  readonly amount: string;
}

export interface UsageLine {
  readonly workspace: string | null;
  readonly model: string;
  readonly tier: string;
  /** By token type. */
  readonly tokens: Readonly<Record<string, number>>;
}

/** A day of a report, as it was read last. */
export interface Read<Line> {
  readonly state: 'provisional' | 'final';
  readonly flagged: boolean;
  readonly lines: readonly Line[];
  /** The lines as they were read first, if Anthropic corrected them. */
  readonly before?: readonly Line[];
}

export interface Connection {
  readonly id: string;
  readonly name: string;
  readonly organization: string;
  readonly began: string;
  /** The day of its end; null while it lives. */
  readonly ended: string | null;
  readonly names: ReadonlyMap<string, string>;
  readonly cost: ReadonlyMap<string, Read<CostLine>>;
  readonly usage: ReadonlyMap<string, Read<UsageLine>>;
}

interface Plan {
  readonly name: string;
  readonly organization: string;
  readonly began: string;
  readonly ended: string | null;
  readonly workspaces: readonly (readonly [id: string, name: string])[];
  readonly models: readonly string[];
  /** Workspaces with costs on a day. */
  readonly busy: number;
  readonly hasEuros: boolean;
}

const MANY = Array.from({ length: 15 }, (_, place) => [`wrkspc_a${place}`, `Team ${place}`] as const);
const ACME = { organization: 'Acme Inc.', workspaces: MANY, models: ['opus', 'sonnet', "o'haiku"], busy: 9 };

/** An organization that was connected again, one whose name of a workspace is Acme's, and one with a name twice. */
const PLANS: readonly Plan[] = [
  { name: 'Acme', ...ACME, began: FIRST, ended: plus(TODAY, -150), hasEuros: false },
  { name: 'Acme', ...ACME, began: plus(TODAY, -160), ended: null, hasEuros: false },
  {
    ...{ name: 'Beta', organization: 'Beta GmbH', began: FIRST, ended: null, busy: 6, hasEuros: true },
    workspaces: [
      ['wrkspc_b1', 'Team 1'],
      ['wrkspc_b2', 'Research'],
    ],
    models: ['opus', 'sonnet'],
  },
  {
    ...{ name: 'Gamma', organization: 'Gamma', began: plus(TODAY, -100), ended: null, busy: 3, hasEuros: false },
    workspaces: [
      ['wrkspc_g1', 'Twin'],
      ['wrkspc_g2', 'Twin'],
    ],
    models: ['opus', 'new'],
  },
];

export const TOKEN_TYPES = [
  'uncached_input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation.ephemeral_5m_input_tokens',
  'cache_creation.ephemeral_1h_input_tokens',
] as const;

/** Numbers from 0 to 2^32 − 1 that look random and are the same on every run. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What a day of both reports has. Each eleventh day has nothing, and amounts have up to nine digits after the point. */
function linesOf(plan: Plan, place: number, seed: number): { cost: CostLine[]; usage: UsageLine[] } {
  const draw = numbersFrom(seed);
  if (place % 11 === 4) return { cost: [], usage: [] };
  const owners = [null, ...plan.workspaces.map(([id]) => id)];
  const [costs, used]: [CostLine[], UsageLine[]] = [[], []];
  for (let unit = 0; unit < plan.busy; unit += 1) {
    const workspace = owners[(unit * 3 + place) % owners.length] ?? null;
    const model = plan.models[(unit + draw(2)) % plan.models.length] ?? 'opus';
    const tokens = TOKEN_TYPES.map((type): [string, number] => [type, draw(6) === 0 ? 0 : 1 + draw(5_000_000)]);
    const about = { workspace, model, tier: `t${unit}` };
    used.push({ ...about, tokens: Object.fromEntries(tokens) });
    for (const [tokenType] of tokens) {
      const amount = `${draw(20)}.${String(draw(1_000_000_000)).padStart(9, '0')}`;
      costs.push({ ...about, tokenType, costType: 'tokens', currency: 'USD', amount });
    }
  }
  const other = { workspace: null, model: null, tokenType: null, tier: 'standard' };
  costs.push({ ...other, costType: 'web_search', currency: 'USD', amount: `0.0${1 + draw(9)}` });
  if (place % 5 === 0) costs.push({ ...other, costType: 'credit', currency: 'USD', amount: '-1.25' });
  if (plan.hasEuros) costs.push({ ...other, costType: 'seats', currency: 'EUR', amount: `${1 + draw(50)}.5` });
  // Nothing bills the tokens of the priority tier.
  const tokens = { [TOKEN_TYPES[0]]: 1 + draw(90_000), [TOKEN_TYPES[1]]: 1 + draw(9_000) };
  used.push({ workspace: null, model: 'opus', tier: 'priority', tokens });
  return { cost: costs, usage: used };
}

const isMissing = (report: 'cost' | 'usage', place: number): boolean =>
  report === 'cost' ? place % 37 === 6 || place % 37 === 7 : place % 53 === 9;

function stateOf(day: string, place: number): 'provisional' | 'final' {
  return day >= plus(TODAY, -2) || place % 61 === 17 ? 'provisional' : 'final';
}

/** Stores a year as syncs would, the oldest connection first, and returns it. */
export async function storeYear(db: Db): Promise<Connection[]> {
  const year: Connection[] = [];
  for (const [index, plan] of PLANS.entries()) {
    const { name, organization, began, ended } = plan;
    const createdAt = new Date(Date.parse(`${began}T08:00:00Z`) + index);
    const id = await seedConnection(db, {
      name,
      organization,
      createdAt,
      began: toDay(began),
      backfillTo: toDay(began),
    });
    await db.execute(sql`update connections set organization_name = ${organization} where id = ${id}`);
    await saveWorkspaces(db, id, plan.workspaces.map(listed));
    const [costs, used] = [new Map<string, Read<CostLine>>(), new Map<string, Read<UsageLine>>()];
    for (const [place, day] of daysOf({ from: began, to: ended ?? TODAY }).entries()) {
      const { cost: lines, usage: usageLines } = linesOf(plan, place, index * 1_000 + place);
      const facts = { state: stateOf(day, place), flagged: false };
      // A day that does not add up is not final.
      const costFacts = place % 97 === 30 ? ({ state: 'provisional', flagged: true } as const) : facts;
      const isRestated = place % 83 === 20;
      if (!isMissing('cost', place)) {
        const before = isRestated ? { before: linesOf(plan, place, index * 1_000 + place + 7_777).cost } : {};
        costs.set(day, { ...costFacts, lines, ...before });
      }
      if (!isMissing('usage', place)) used.set(day, { ...facts, lines: usageLines });
    }
    for (const [day, read] of costs) await storeCost(db, id, day, read);
    for (const [day, { lines }] of used) await commitUsage(db, id, lines.map(usageOf), at(day));
    await settle(db, id, 'cost', costs);
    await settle(db, id, 'usage', used);
    if (ended !== null) await end(db, id, ended);
    year.push({
      ...{ id, name, organization, began, ended },
      names: new Map(plan.workspaces),
      cost: costs,
      usage: used,
    });
  }
  return year;
}

const at = (day: string) => ({ day: toDay(day), today: toDay(plus(day, 10)) });

function listed([id, name]: readonly [string, string]): Parameters<typeof saveWorkspaces>[2][number] {
  return { id, name, createdAt: null, archivedAt: null, tags: new Map(), reported: {} };
}

async function storeCost(db: Db, id: string, day: string, { lines, before }: Read<CostLine>): Promise<void> {
  if (before !== undefined) {
    await commitCost(db, id, before.map(costOf), at(day));
    await db.execute(sql`
      update days set state = 'final', reconciled = true where connection_id = ${id} and report = 'cost' and day = ${day}
    `);
  }
  await commitCost(db, id, lines.map(costOf), at(day));
}

function costOf({ workspace, model, tokenType, tier, costType, currency, amount }: CostLine) {
  const about = { workspace_id: workspace, model, token_type: tokenType, service_tier: tier };
  return cost(amount, { ...about, cost_type: costType, currency });
}

function usageOf({ workspace, model, tier, tokens }: UsageLine) {
  const of = (type: string): number => tokens[type] ?? 0;
  const [uncached, output, read, fiveMinutes, hour] = TOKEN_TYPES.map(of);
  return usage(
    {
      uncached_input_tokens: uncached ?? 0,
      output_tokens: output ?? 0,
      cache_read_input_tokens: read ?? 0,
      cache_creation_5m: fiveMinutes ?? 0,
      cache_creation_1h: hour ?? 0,
    },
    { workspace_id: workspace, model, service_tier: tier },
  );
}

async function settle(
  db: Db,
  id: string,
  report: string,
  days: ReadonlyMap<string, Read<CostLine> | Read<UsageLine>>,
): Promise<void> {
  const json = JSON.stringify([...days].map(([day, { state, flagged }]) => ({ day, state, flagged })));
  await db.execute(sql`
    update days d set
      state = f.state,
      reconciled = not f.flagged,
      disagrees_with = case when f.flagged then d.total + 1 end
    from jsonb_to_recordset(${json}::jsonb) as f(day date, state text, flagged boolean)
    where d.connection_id = ${id} and d.report = ${report} and d.day = f.day
  `);
}

async function end(db: Db, id: string, day: string): Promise<void> {
  await disconnect(db, id, false);
  await db.execute(sql`update connections set ended_at = ${`${day}T13:00:00Z`} where id = ${id}`);
}
