import { randomUUID } from 'node:crypto';
import { createBudget } from '../../../db/budgets/budgets.ts';
import { addCandidate } from '../../../db/keys/candidates.ts';
import { createChannel } from '../../../db/notices/channels.ts';
import { writeNotice } from '../../../db/notices/outbox.ts';
import { beginSession } from '../../../db/sessions/sessions.ts';
import { createToken } from '../../../db/tokens/tokens.ts';
import { deliveries, restatements, syncs } from '../../../db/schema.ts';
import { addDays } from '../../../domain/days.ts';
import { toDecimal } from '../../../domain/money.ts';
import { EVERYTHING } from '../../../domain/notices/subscriptions.ts';
import {
  ADMIN_TOKEN,
  CANARY,
  NOW,
  TODAY,
  ring,
  seedConnection,
  seedCostDay,
  seedCovered,
  seedUsageDay,
  seedWorkspace,
  type Api,
} from '../support.ts';
import type { Known } from './hostile.ts';
import type { Route } from './routes.ts';
import { adminKey } from '../../support/admin-key.ts';
import { spike, storeIncident } from '../../support/incident.ts';

/** Makes connections in several states, with data beyond what a float holds, and asks every list for a cursor. */
export async function populate(api: Api, routes: readonly Route[]): Promise<Known> {
  const ids = [
    await seedConnection(api.db, { withKey: true }),
    await seedConnection(api.db, { status: 'paused', withKey: true }),
    await seedConnection(api.db, { status: 'disconnected' }),
    await seedConnection(api.db, { status: 'refused', organization: null }),
  ];
  const [id = ''] = ids;
  await seedReports(api, id);
  await seedHistory(api, id);
  await seedAllocation(api);
  const creator = { id: null, name: 'test' };
  const viewer = await createToken(api.db, { name: 'viewer', role: 'viewer', creator });
  const others = ['a', 'b', 'c'].map((name) => createToken(api.db, { name, role: 'viewer', creator }));
  const tokenIds = (await Promise.all(others)).map((token) => token.id);
  const begun = ['a', 'b', 'c'].map(() => beginSession(api.db, { bootstrapTag: ring.tags(ADMIN_TOKEN)[0] }));
  const sessionIds = (await Promise.all(begun)).flatMap((session) => (session === null ? [] : [session.id]));
  const keyIds = [randomUUID(), randomUUID()];
  for (const connectionId of ids.slice(0, 2)) {
    for (const keyId of keyIds) {
      const key = { connectionId, keyId, adminKey: adminKey(CANARY), requested: false, actor: 'test' };
      await addCandidate(api.db, ring, key);
    }
  }
  const told = await seedNotices(api);
  const budgetIds = await seedBudgets(api);
  const keysOfAnomalies = ['a', 'b', 'c'];
  const stored = keysOfAnomalies.map((key) => storeIncident(api.db, id, spike({ key })));
  const anomalyIds = await Promise.all(stored);
  const reportIds: string[] = [];
  // More than are deleted before the routes that come after it.
  for (let index = 0; index < 400; index += 1) {
    const report = { name: `Report ${index}`, every: 'daily', hour: 8, time_zone: 'UTC' };
    reportIds.push((await api.send('POST', '/v1/reports', report)).body.id);
  }
  const cursors = await cursorsOf(api, id, routes);
  return {
    ids,
    tokenIds,
    sessionIds,
    keyIds,
    reportIds,
    budgetIds,
    anomalyIds,
    ...told,
    viewerToken: viewer.token,
    cursors,
  };
}

/** Makes channels, and notices to them that failed. */
async function seedNotices({ db }: Api): Promise<Pick<Known, 'channelIds' | 'deliveryIds'>> {
  const channelIds: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    const target = { kind: 'email', to: [`${name}@example.com`] } as const;
    channelIds.push(await createChannel(db, ring, { name, target, subscriptions: EVERYTHING, actor: 'test' }));
  }
  for (const dedupeKey of ['a', 'b']) {
    const data = { channel: 'a', asked_by: 'test' };
    await writeNotice(db, { kind: 'test', dedupeKey, connectionId: null, data });
  }
  const failed = await db
    .update(deliveries)
    .set({ state: 'failed', words: 'no', endedAt: new Date(NOW) })
    .returning({ id: deliveries.id });
  return { channelIds, deliveryIds: failed.map((one) => one.id) };
}

async function seedBudgets({ db }: Api): Promise<string[]> {
  const budget = {
    scope: { filters: [] },
    period: 'month',
    amount: toDecimal('10'),
    thresholds: [{ of: 'actual', percent: toDecimal('80'), usd: null }],
    channels: [],
    createdOn: TODAY,
  } as const;
  return Promise.all(['a', 'b', 'c'].map((name) => createBudget(db, { ...budget, name }, 'test')));
}

async function seedReports({ db }: Api, id: string): Promise<void> {
  await seedCovered(db, id, addDays(TODAY, -30), addDays(TODAY, -3));
  const amounts = ['12.3456789', `${'9'.repeat(60)}.${'1'.repeat(60)}`];
  const most = 2n ** 63n - 1n;
  for (const day of [addDays(TODAY, -1), TODAY]) {
    const lines = amounts.map((amount, index) => ({ workspace_id: 'wrkspc_1', model: `model ${index}`, amount }));
    await seedCostDay(db, id, day, lines);
    await seedUsageDay(db, id, day, [
      { model: 'a', workspace_id: 'wrkspc_1', counts: [most, most, most, most, most, most] },
      { model: null, counts: [most, 0n, 0n, 0n, 0n, 0n] },
    ]);
  }
}

async function seedHistory(api: Api, connectionId: string): Promise<void> {
  for (const index of [1, 2, 3]) {
    await seedWorkspace(api.db, connectionId, `wrkspc_${index}`, `Name ${index}`);
    await api.send('PATCH', `/v1/connections/${connectionId}`, { name: `Name ${index}` });
    const [day, instant] = [addDays(TODAY, -index), new Date(NOW)];
    const lines = { linesAdded: 1, linesRemoved: 0, linesChanged: 2 };
    await api.db.insert(restatements).values({
      connectionId,
      report: 'cost',
      day,
      before: toDecimal('1.5'),
      after: toDecimal('2.25'),
      ...lines,
      sync: index,
    });
    const run = { n: index, runId: `run-${index}`, kind: 'daily', state: 'succeeded' } as const;
    await api.db
      .insert(syncs)
      .values({ connectionId, ...run, from: day, to: TODAY, startedAt: instant, endedAt: instant });
  }
}

async function seedAllocation(api: Api): Promise<void> {
  const rule = { name: 'all', where: { model: ['model 0'] }, to: 'Center' };
  for (const rules of [[], [rule]]) await api.send('PUT', '/v1/allocation', { from: TODAY.slice(0, 7), rules });
}

async function cursorsOf(api: Api, id: string, routes: readonly Route[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { path } of routes.filter(({ method, query }) => method === 'GET' && 'after' in query)) {
    const required = path === '/v1/costs/changes' ? '&compare=previous' : '';
    const { body } = await api.get(
      `${path.replace('{id}', id).replace('{month}', TODAY.slice(0, 7))}?limit=1${required}`,
    );
    if (body.next === null) throw new Error(`${path} has no second page, so its cursor is not tried`);
    found.set(path, body.next);
  }
  return found;
}
