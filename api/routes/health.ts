import { sql } from 'drizzle-orm';
import { setTimeout as delay } from 'node:timers/promises';
import { endpoint } from '../endpoint.ts';
import { nothing } from '../inputs.ts';
import { Problem } from '../problems.ts';
import { health, readiness } from '../schemas.ts';

const tag = 'Health';
const CHECK_MS = 2_000;

const healthz = endpoint({
  method: 'get',
  path: '/healthz',
  tag,
  operation: 'getHealth',
  summary: 'Whether this process serves',
  query: nothing,
  body: nothing,
  out: health,
  statuses: { 200: 'It does.' },
  refusals: [],
  handle: (_call, { settings }) => {
    const dropped = settings.droppedLogLines();
    const said = dropped === 0 ? {} : { dropped_log_lines: dropped };
    return Promise.resolve({ status: 200, body: { status: 'ok' as const, ...said } });
  },
});

const readyz = endpoint({
  method: 'get',
  path: '/readyz',
  tag,
  operation: 'getReadiness',
  summary: 'Whether Postgres and Temporal answer',
  query: nothing,
  body: nothing,
  out: readiness,
  statuses: { 200: 'Both do.' },
  refusals: ['unavailable'],
  handle: async (_call, { db, temporal }) => {
    const [postgres, temporalState] = await Promise.all([
      answers(db.execute(sql`select 1`)),
      answers(temporal.check()),
    ]);
    if (postgres === 'ok' && temporalState === 'ok') {
      return { status: 200, body: { status: 'ready' as const, postgres, temporal: temporalState } };
    }
    const silent = [...(postgres === 'ok' ? [] : ['Postgres']), ...(temporalState === 'ok' ? [] : ['Temporal'])];
    throw new Problem('unavailable', {
      detail: `${silent.join(' and ')} ${silent.length > 1 ? 'do' : 'does'} not answer.`,
      extra: { postgres, temporal: temporalState },
    });
  },
});

async function answers(check: PromiseLike<unknown>): Promise<'ok' | 'unavailable'> {
  const silence = new AbortController();
  try {
    return await Promise.race([
      Promise.resolve(check).then(() => 'ok' as const),
      delay(CHECK_MS, 'unavailable' as const, { signal: silence.signal }),
    ]);
  } catch {
    return 'unavailable';
  } finally {
    silence.abort();
  }
}

/** For whatever watches this process. */
export const healthRoutes = [healthz, readyz];
