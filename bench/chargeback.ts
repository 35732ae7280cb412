import { z } from 'zod';
import { dayOf, type Day } from '../domain/days.ts';
import { daysOfMonth, monthOf, previousMonth, type Month } from '../domain/months.ts';
import { connect } from './large.ts';
import { median, memoryOf, secondsSince } from './measure.ts';
import { SHAPES, withShape, type Shape } from './shapes.ts';
import { mb, number, s, table } from './text.ts';
import { deploy, type Deployment, type Servers, type Upstream } from './world.ts';

const DAYS = 31;
const SIZE = { rules: 40, pools: 3, centers: 50 } as const;
const MEASURED: readonly Shape[] = ['steady', 'churn'];

/** What people ask for, and how long it may take in seconds. */
const GOALS = { month: 1, preview: 2, close: 5, view: 10, viewOfDay: 3 } as const;

interface ChargebackRun {
  readonly lines: number;
  readonly byCenter: number;
  readonly byThree: number;
  readonly preview: number;
  readonly view: number;
  readonly viewOfDay: number;
  readonly close: number;
  readonly closedByCenter: number;
  readonly closedView: number;
  readonly idleMb: number;
  readonly peakMb: number;
}

/** Measures a month of chargeback with many rules, open and closed, for two shapes of data. */
export async function chargebackSection(servers: Servers, runs: number): Promise<string[]> {
  const columns: ChargebackRun[] = [];
  for (const shape of MEASURED) {
    columns.push(
      await withShape(servers, SHAPES[shape], DAYS, (upstream) => measureChargeback(servers, upstream, runs)),
    );
  }
  const row = (what: string, text: (run: ChargebackRun) => string, goal = ''): string[] => [
    what,
    ...columns.map(text),
    goal,
  ];
  return [
    '## Chargeback',
    '',
    `A month of ${DAYS} days, with ${SIZE.rules} rules, ${SIZE.pools} pools and ${SIZE.centers} cost centers; medians, from the request to the whole reply.`,
    '',
    ...table(
      ['what', ...MEASURED, 'must'],
      [
        row('lines of the month', ({ lines }) => number(lines)),
        row('the month by cost center', ({ byCenter }) => s(byCenter), s(GOALS.month, 1)),
        row('… by cost center, day and model', ({ byThree }) => s(byThree)),
        row('a preview of a document', ({ preview }) => s(preview), s(GOALS.preview, 1)),
        row('`allocated_costs` by cost center, of the month', ({ view }) => s(view), s(GOALS.view, 1)),
        row('… of a day', ({ viewOfDay }) => s(viewOfDay), s(GOALS.viewOfDay, 1)),
        row('closing the month', ({ close }) => s(close), s(GOALS.close, 1)),
        row('the closed month by cost center', ({ closedByCenter }) => s(closedByCenter), s(GOALS.month, 1)),
        row('… in `allocated_costs`', ({ closedView }) => s(closedView), s(GOALS.view, 1)),
        row('memory of the API, before and at most', ({ idleMb, peakMb }) => `${mb(idleMb)}, ${mb(peakMb)}`),
      ],
    ),
  ];
}

async function measureChargeback(servers: Servers, upstream: Upstream, runs: number): Promise<ChargebackRun> {
  const deployment = await deploy(servers, upstream);
  try {
    const { month, lines, from } = await settledMonth(deployment, upstream);
    const { api, pids } = deployment;
    const idleMb = memoryOf(pids.api).now;
    const document = await largeDocument(deployment, from, month);
    await api.put('/v1/allocation', { from: month, ...document }, z.unknown());
    const path = `/v1/chargeback/${month}`;
    const get = (groupBy: string) => () => api.get(path, { group_by: groupBy }, z.unknown());
    const view = (where: string) => () => viewBy(deployment, where);
    const open = {
      byCenter: await medianOf(runs, get('cost_center')),
      byThree: await medianOf(runs, get('cost_center,day,model')),
      preview: await medianOf(runs, () => api.post('/v1/allocation/preview', { month, ...document }, z.unknown())),
      view: await medianOf(runs, view(`month = '${month}'`)),
      viewOfDay: await medianOf(runs, view(`day = '${month}-15'`)),
    };
    const closing: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      if (run > 0) await api.post(`${path}/reopen`, { reason: 'a measurement' }, z.unknown());
      closing.push(await secondsOf(() => api.post(`${path}/close`, {}, z.unknown())));
    }
    return {
      lines,
      ...open,
      close: median(closing),
      closedByCenter: await medianOf(runs, get('cost_center')),
      closedView: await medianOf(runs, view(`month = '${month}'`)),
      idleMb,
      peakMb: memoryOf(pids.api).peak,
    };
  } finally {
    await deployment.close();
  }
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return secondsSince(startedAt);
}

async function medianOf(runs: number, work: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let run = 0; run < runs; run += 1) took.push(await secondsOf(work));
  return median(took);
}

async function viewBy({ sql }: Deployment, where: string): Promise<void> {
  await sql.unsafe(`select cost_center, kind, sum(amount) from allocated_costs where ${where} group by 1, 2`);
}

/** Reads an organization, and moves its days into the last month of 31 days that is over. */
export async function settledMonth(
  deployment: Deployment,
  upstream: Upstream,
): Promise<{ month: Month; from: Day; lines: number }> {
  const { api, sql } = deployment;
  const { id, lines } = await connect(deployment, upstream, DAYS);
  await api.post(`/v1/connections/${id}/pause`, {}, z.unknown());
  let month = previousMonth(monthOf(dayOf(Date.now())));
  while (!daysOfMonth(month).to.endsWith(String(DAYS))) month = previousMonth(month);
  const { from } = daysOfMonth(month);
  // In two steps, since no two days may have the same place on the way.
  await sql`update days set day = day - 1000`;
  await sql`
    update days set state = 'final', day = ${from}::date + (day - (select min(day) from days))
    where reconciled`;
  await sql`update connections set began = ${from}`;
  await sql`vacuum analyze`;
  return { month, from, lines };
}

const named = z.object({
  data: z.array(z.looseObject({ workspace: z.object({ id: z.string().nullable() }).optional() })),
});

/** A document whose rules ask for several dimensions. Its pools share in three ways, the first one with a later one. */
export async function largeDocument(
  { api }: Deployment,
  from: Day,
  month: Month,
): Promise<{ rules: object[]; pools: object[] }> {
  const { to } = daysOfMonth(month);
  const valuesOf = async (group: string): Promise<string[]> => {
    const { data } = await api.get('/v1/costs', { from, to, group_by: group, limit: '1000' }, named);
    const values = data.map(({ workspace, ...row }) => (group === 'workspace' ? workspace?.id : row[group]));
    return values.filter((value) => typeof value === 'string');
  };
  const [workspaces, models] = [await valuesOf('workspace'), await valuesOf('model')];
  const ofWorkspaces = Array.from({ length: SIZE.rules - 5 }, (_, place) => ({
    name: `workspace ${place + 1}`,
    where: {
      workspace: [workspaces[place % workspaces.length]],
      not: { model: [models[place % models.length]], token_type: ['output_tokens'] },
    },
    to: `Center ${place + 1}`,
  }));
  const rest = Array.from({ length: SIZE.centers - ofWorkspaces.length - 4 }, (_, place) => `Department ${place + 1}`);
  return {
    rules: [
      { name: 'tools', where: { cost_type: ['web_search', 'code_execution'] }, to: { pool: 'tools' } },
      { name: 'default workspace', where: { workspace: ['default'] }, to: { pool: 'common' } },
      {
        name: 'batch of a model',
        where: { service_tier: ['batch'], model: models.slice(0, 2) },
        to: { pool: 'batch' },
      },
      ...ofWorkspaces,
      { name: 'teams', where: {}, to: { tag: 'team' } },
      { name: 'models', where: { model: models.slice(5, 20) }, to: 'Models' },
    ],
    pools: [
      { name: 'tools', split: { proportional: 'cost' }, among: [...rest, 'Center 1', 'Center 2', { pool: 'common' }] },
      { name: 'common', split: { proportional: 'tokens' } },
      { name: 'batch', split: 'even', among: ['Center 3', ...rest] },
    ],
  };
}
