import { z } from 'zod';
import { addDays, dayOf } from '../domain/days.ts';
import { startBadUpstream } from './bad-upstream.ts';
import { memoryOf, secondsSince, until } from './measure.ts';
import { mb, s, table } from './text.ts';
import { deploy, startUpstream, type Servers, type Upstream } from './world.ts';

const DAYS = 31;
const WITHIN_S = 120;
const MILLION = 1_000_000;

const rowOf = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({
    currency: 'USD',
    amount: '0',
    workspace_id: null,
    description: 'Added',
    cost_type: 'tokens',
    model: null,
    token_type: null,
    context_window: null,
    service_tier: null,
    inference_geo: null,
    ...fields,
  });

/** Rows that no reader should have to take, by what is wrong with them. */
const BAD_ROWS: Readonly<Record<string, () => string>> = {
  'a row of 30 MB in a page of 50 MB': () => {
    const others = Array.from({ length: 100_000 }, (_, index) => rowOf({ description: `Added ${index}` }));
    return [...others, rowOf({ description: 'x'.repeat(30_000_000) })].join(',');
  },
  'a row without an amount': () => rowOf({ amount: undefined }),
  'an amount of 10 million digits': () => rowOf({ amount: '1'.repeat(10 * MILLION) }),
  'a million small rows': () =>
    Array.from({ length: MILLION }, (_, index) => `{"amount":"0","currency":"USD","description":"${index}"}`).join(','),
  'a million rows without a field': () => Array.from({ length: MILLION }, () => '{}').join(','),
};

interface BadRun {
  readonly ended: string;
  readonly namesDay: boolean;
  readonly seconds: number;
  readonly peakMb: number;
  readonly longestBlockMs: number;
}

const failed = z.looseObject({ code: z.string() });

/** Connects an organization one day of which has such rows, and waits until its first sync ends. */
async function measureBad(servers: Servers, simulated: Upstream, rows: string): Promise<BadRun> {
  const day = addDays(dayOf(Date.now()), -5);
  const upstream = await startBadUpstream(simulated, day, rows);
  const deployment = await deploy(servers, upstream);
  try {
    const startedAt = performance.now();
    const body = { name: 'Bad', admin_api_key: upstream.key, backfill_days: DAYS };
    await deployment.api.post('/v1/connections', body, z.unknown());
    let found: { state: string; failure: unknown } = { state: `no end within ${WITHIN_S} s`, failure: null };
    const hasEnded = async (): Promise<boolean> => {
      const [sync] = await deployment.sql`select state, failure from syncs order by n limit 1`;
      if (sync?.['state'] !== 'failed' && sync?.['state'] !== 'succeeded') return false;
      found = { state: String(sync['state']), failure: sync['failure'] };
      return true;
    };
    await until('the sync ends', hasEnded, { withinS: WITHIN_S }).catch(() => undefined);
    const seconds = secondsSince(startedAt);
    const { data: failure } = failed.safeParse(found.failure);
    console.error(JSON.stringify(found).slice(0, 1_000));
    return {
      ended: failure === undefined ? found.state : `${found.state}, ${failure.code}`,
      namesDay: JSON.stringify(found.failure).includes(day),
      seconds,
      peakMb: memoryOf(deployment.pids.worker).peak,
      longestBlockMs: deployment.longestBlockMs(),
    };
  } finally {
    await deployment.close();
    await upstream.close();
  }
}

/** Measures what becomes of replies that no reader should have to take. */
export async function badSection(servers: Servers): Promise<string[]> {
  const simulated = await startUpstream(servers, ['--lines-per-day', '200', '--days', String(DAYS)]);
  try {
    const rows: string[][] = [];
    for (const [name, make] of Object.entries(BAD_ROWS)) {
      const run = await measureBad(servers, simulated, make());
      rows.push([
        name,
        run.ended,
        run.namesDay ? 'yes' : 'no',
        s(run.seconds, 1),
        mb(run.peakMb),
        `${Math.round(run.longestBlockMs)} ms`,
      ]);
    }
    const columns = [
      'one day of 31 has',
      'the sync ended',
      'names the day',
      'after',
      'memory at most',
      'longest block',
    ];
    return ['## Bad input', '', ...table(columns, rows)];
  } finally {
    await simulated.close();
  }
}
