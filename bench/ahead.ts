import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { addDays, dayOf } from '../domain/days.ts';
import { connect } from './large.ts';
import { cpuOf, median, memoryOf, secondsSince, until } from './measure.ts';
import { SHAPES, withShape, type Shape } from './shapes.ts';
import { mb, number, s, table } from './text.ts';
import { deploy, type Deployment, type Servers, type Upstream } from './world.ts';

const DAYS = 31;
const MEASURED: readonly Shape[] = ['steady', 'churn'];
const BUDGETS = 10;
/** What was asked for just before must be over. */
const REST_MS = 2_000;
const GOALS = { assess: 3, moreMb: 100, forecast: 0.3, blockMs: 50 } as const;

interface AheadRun {
  readonly lines: number;
  /** Seconds from a request that has everything assessed anew until that is committed, and processor seconds. */
  readonly assess: number;
  readonly workerCpu: number;
  readonly postgresCpu: number;
  readonly moreMb: number;
  /** Seconds from a request to its reply. */
  readonly forecast: number;
  readonly byModel: number;
  readonly yearAhead: number;
  readonly blockMs: number;
}

/** Measures what looks ahead: the assessment of budgets and anomalies of a large organization, and forecasts of it. */
export async function aheadSection(servers: Servers, runs: number): Promise<string[]> {
  const columns: AheadRun[] = [];
  for (const shape of MEASURED) {
    columns.push(await withShape(servers, SHAPES[shape], DAYS, (upstream) => measureAhead(servers, upstream, runs)));
  }
  const row = (what: string, text: (run: AheadRun) => string, goal = ''): string[] => [
    what,
    ...columns.map(text),
    goal,
  ];
  return [
    '## Budgets, forecasts and anomalies',
    '',
    `One organization of ${DAYS} days with ${BUDGETS} budgets; medians. An assessment judges the budgets and looks at everything for anomalies anew, from the request that has it do so to its commit.`,
    '',
    ...table(
      ['what', ...MEASURED, 'must'],
      [
        row('lines of cost', ({ lines }) => number(lines)),
        row('an assessment of all of it', ({ assess }) => s(assess), s(GOALS.assess, 1)),
        row(
          '… processor time of the worker and of Postgres',
          ({ workerCpu, postgresCpu }) => `${s(workerCpu)}, ${s(postgresCpu)}`,
        ),
        row(
          '… memory of the worker, more than after the backfill',
          ({ moreMb }) => mb(moreMb),
          `${String(GOALS.moreMb)} MB`,
        ),
        row('a forecast of the month', ({ forecast }) => s(forecast), s(GOALS.forecast, 1)),
        row('… by model', ({ byModel }) => s(byModel), s(GOALS.forecast, 1)),
        row('… of a year ahead', ({ yearAhead }) => s(yearAhead), s(GOALS.forecast, 1)),
        row(
          'longest block of the API’s event loop by them',
          ({ blockMs }) => `${String(Math.round(blockMs))} ms`,
          `${String(GOALS.blockMs)} ms`,
        ),
      ],
    ),
  ];
}

async function measureAhead(servers: Servers, upstream: Upstream, runs: number): Promise<AheadRun> {
  const deployment = await deploy(servers, upstream);
  try {
    const { id, lines } = await connect(deployment, upstream, DAYS);
    const { api, pids } = deployment;
    await api.post(`/v1/connections/${id}/pause`, {}, z.unknown());
    for (let budget = 0; budget < BUDGETS; budget += 1) {
      const thresholds = [
        { percent: '80', of: 'actual' },
        { percent: '100', of: 'forecast' },
      ];
      const body = {
        name: `Budget ${String(budget)}`,
        period: 'month',
        amount: String(10_000 * (budget + 1)),
        thresholds,
      };
      await api.post('/v1/budgets', body, z.unknown());
    }
    await delay(REST_MS);
    const before = memoryOf(pids.worker).peak;
    const cpu = { worker: cpuOf(pids.worker), postgres: servers.cpu().postgres };
    const assessments: number[] = [];
    for (let run = 0; run < runs; run += 1)
      assessments.push(await assessment(deployment, run % 2 === 0 ? 'high' : 'low'));
    const used = { worker: cpuOf(pids.worker) - cpu.worker, postgres: servers.cpu().postgres - cpu.postgres };
    const ahead = addDays(dayOf(Date.now()), 365);
    const get = (query: Readonly<Record<string, string>>) => () => api.get('/v1/forecast', query, z.unknown());
    process.kill(pids.api, 'SIGUSR2');
    const forecasts = {
      forecast: await medianOf(runs, get({})),
      byModel: await medianOf(runs, get({ group_by: 'model' })),
      yearAhead: await medianOf(runs, get({ through: ahead })),
    };
    await delay(REST_MS);
    return {
      lines,
      assess: median(assessments),
      workerCpu: used.worker / runs,
      postgresCpu: used.postgres / runs,
      moreMb: memoryOf(pids.worker).peak - before,
      ...forecasts,
      blockMs: deployment.apiBlockMs(),
    };
  } finally {
    await deployment.close();
  }
}

/** Has everything assessed anew at another sensitivity. Returns its seconds. */
async function assessment({ api, sql }: Deployment, sensitivity: 'low' | 'high'): Promise<number> {
  await sql`update budgets set is_judged = false`;
  const startedAt = performance.now();
  await api.put('/v1/anomalies/settings', { sensitivity }, z.unknown());
  const isOver = async (): Promise<boolean> => {
    const [found] = await sql`
      select not exists (select from budgets where not is_judged)
        and not exists (select from anomaly_settings where not is_assessed) as over`;
    return found?.['over'] === true;
  };
  await until('everything is assessed', isOver);
  const took = secondsSince(startedAt);
  await delay(REST_MS);
  return took;
}

async function medianOf(runs: number, work: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const startedAt = performance.now();
    await work();
    took.push(secondsSince(startedAt));
  }
  return median(took);
}
