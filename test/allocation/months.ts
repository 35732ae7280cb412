import fc from 'fast-check';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import type { Db } from '../../db/core/database.ts';
import { toDay } from '../../domain/days.ts';
import { seedConnection, startApi, type Answer, type Api } from '../api/support.ts';
import { daysOf } from '../spend/days.ts';
import type { Document } from './documents.ts';
import {
  drawCosts,
  drawUsage,
  storeCost,
  storeUsage,
  type Connection,
  type Ledger,
  type Workspace,
} from '../spend/ledger.ts';

/** Whole months that are read to the end, of two organizations. */

export const JANUARY = { from: '2026-01-01', to: '2026-01-31' };
export const FEBRUARY = { from: '2026-02-01', to: '2026-02-28' };

const WORKSPACES: readonly Workspace[] = [
  { id: 'w1', name: 'One', tags: { team: 'platform' } },
  { id: 'w2', name: 'Two', tags: { team: 'Research', env: 'prod' } },
];

export const DOCUMENT: Document = {
  from: '2026-01',
  rules: [
    { name: 'batch is shared', where: { service_tier: ['batch'] }, to: { pool: 'shared' } },
    { name: 'team', where: { not: { model: ['claude-a'] } }, to: { tag: 'team' } },
    { name: 'default', where: { workspace: ['default'] }, to: 'Research' },
  ],
  pools: [{ name: 'shared', split: { proportional: 'cost' } }],
};

/** A world whose clock a test sets. */
export interface World {
  readonly api: Api;
  readonly ledger: Ledger;
  at(instant: string): void;
  /** Reads a day of the ledger's connection again, with other lines. */
  restate(place: number, day: string, seed: number): Promise<void>;
}

/** Opens a world in March, with both months settled, and a document in force from January. */
export async function openWorld(): Promise<World> {
  let now = Date.parse('2026-03-12T12:00:00Z');
  const api = await startApi({ now: () => now });
  const ledger: { -readonly [Key in keyof Connection]: Connection[Key] }[] = [];
  for (const [place, name] of ['First', 'Second'].entries()) {
    const id = await seedConnection(api.db, { name, organization: `org-${name}`, began: toDay('2026-01-01') });
    await list(api.db, id, WORKSPACES);
    const days = [...daysOf(JANUARY), ...daysOf(FEBRUARY)];
    const cost = new Map(days.map((day, at) => [day, settled(drawCosts(place * 1_000 + at))]));
    const usage = new Map(days.map((day, at) => [day, settled(drawUsage(place * 1_000 + at))]));
    for (const [day, read] of cost) await storeCost(api.db, id, day, read);
    for (const [day, read] of usage) await storeUsage(api.db, id, day, read);
    const rest = { began: '2026-01-01', ended: null, isRefused: false, isPurged: false, workspaces: WORKSPACES };
    ledger.push({ id, name, organization: `org-${name}`, ...rest, cost, usage });
  }
  await send(api, 'PUT', '/v1/allocation', DOCUMENT);
  return {
    api,
    ledger,
    at: (instant) => {
      now = Date.parse(instant);
    },
    restate: async (place, day, seed) => {
      const connection = ledger[place];
      if (connection === undefined) throw new Error(`no connection ${place}`);
      const read = settled(drawCosts(seed));
      await storeCost(api.db, connection.id, day, read);
      connection.cost = new Map([...connection.cost, [day, read]]);
    },
  };
}

function settled<Read extends { isProvisional: boolean }>(read: Read): Read {
  return { ...read, isProvisional: false };
}

/** Lists the workspaces of a connection. */
export async function list(db: Db, id: string, workspaces: readonly Workspace[]): Promise<void> {
  await saveWorkspaces(
    db,
    id,
    workspaces.map(({ tags, ...rest }) => ({
      ...rest,
      createdAt: null,
      archivedAt: null,
      tags: new Map(Object.entries(tags)),
      reported: {},
    })),
  );
}

/** Sends a request that must succeed. */
export async function send(api: Api, method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await api.send(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer;
}

const GROUPS = ['cost_center', 'day', 'week', 'connection', 'workspace', 'model', 'currency', 'tag.team', 'tag.env'];

/** The addresses under which a month is shown, for many groups, as JSON and as CSV. */
export function addressesOf(month: string, connectionId: string): string[] {
  const groups = [
    ...GROUPS,
    ...fc
      .sample(
        fc.subarray(
          GROUPS.filter((group) => group !== 'week'),
          { minLength: 1 },
        ),
        { numRuns: 8, seed: 2 },
      )
      .map((all) => all.join(',')),
  ];
  const path = `/v1/chargeback/${month}`;
  return [
    ...groups.flatMap((by) => [
      `${path}?group_by=${encodeURIComponent(by)}`,
      `${path}?group_by=${encodeURIComponent(by)}&format=csv`,
    ]),
    `${path}?connection_id=${connectionId}&group_by=cost_center,model`,
    `${path}/lines?limit=500`,
    `${path}/lines?cost_center=Research`,
    `${path}/lines?format=csv`,
    `${path}/journal`,
    `${path}/journal?format=csv`,
  ];
}

/** What each address answers with. */
export async function textsOf(api: Api, addresses: readonly string[]): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const address of addresses) {
    const { status, text } = await api.get(address);
    if (status !== 200) throw new Error(`${address}: ${status} ${text}`);
    texts[address] = text;
  }
  return texts;
}
