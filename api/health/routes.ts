import { setTimeout as delay } from 'node:timers/promises';
import { databaseFailure, type Db } from '../../db/core/database.ts';
import { READ_ONLY, isOfSchema } from '../../db/core/failures.ts';
import { checkSchema, checkWritable } from '../../db/core/schema-state.ts';
import { endpoint } from '../http/endpoint.ts';
import { nothing } from '../http/schemas.ts';
import { Problem, whyUnavailable } from '../http/problems.ts';
import { health, readiness } from './schemas.ts';

const tag = 'Health';
const CHECK_MS = 2_000;

const healthz = endpoint({
  method: 'get',
  path: '/healthz',
  tag,
  operation: 'getHealth',
  summary: 'Says whether this process answers',
  query: nothing,
  body: nothing,
  out: health,
  statuses: { 200: 'This process answers.' },
  problems: [],
  handle: (_call, { settings }) => {
    const dropped = settings.droppedLogLines();
    const lines = dropped === 0 ? {} : { dropped_log_lines: dropped };
    return Promise.resolve({ status: 200, body: { status: 'ok' as const, ...lines } });
  },
});

const readyz = endpoint({
  method: 'get',
  path: '/readyz',
  tag,
  operation: 'getReadiness',
  summary: 'Says whether Postgres and Temporal are available',
  query: nothing,
  body: nothing,
  out: readiness,
  statuses: { 200: 'Both are available.' },
  problems: ['unavailable'],
  handle: async (_call, { db, temporal }) => {
    const [postgres, temporalState] = await Promise.all([
      within(stateOfPostgres(db), SILENT_POSTGRES),
      within(
        temporal.check().then(() => OK),
        SILENT_TEMPORAL,
      ).catch(() => SILENT_TEMPORAL),
    ]);
    const states = { postgres: postgres.state, temporal: temporalState.state };
    if (states.postgres === 'ok' && states.temporal === 'ok') {
      return { status: 200, body: { status: 'ready' as const, postgres: states.postgres, temporal: states.temporal } };
    }
    const detail =
      postgres === SILENT_POSTGRES && temporalState === SILENT_TEMPORAL
        ? 'Postgres and Temporal do not answer.'
        : [postgres, temporalState]
            .map(({ sentence }) => sentence)
            .filter((sentence) => sentence !== '')
            .join(' ');
    throw new Problem('unavailable', { detail, extra: states });
  },
});

/** The state of Postgres or Temporal, and a sentence if it is not available. */
interface Availability {
  readonly state: 'ok' | 'unavailable' | 'read_only' | 'not_migrated';
  readonly sentence: string;
}

const OK: Availability = { state: 'ok', sentence: '' };
const SILENT_POSTGRES: Availability = { state: 'unavailable', sentence: 'Postgres does not answer.' };
const SILENT_TEMPORAL: Availability = { state: 'unavailable', sentence: 'Temporal does not answer.' };

async function stateOfPostgres(db: Db): Promise<Availability> {
  try {
    await checkSchema(db);
    await checkWritable(db);
    return OK;
  } catch (error) {
    const failure = databaseFailure(error);
    const sentence = failure === null ? null : await whyUnavailable(failure, db).catch(() => null);
    if (failure === null || sentence === null || sentence === SILENT_POSTGRES.sentence) return SILENT_POSTGRES;
    return {
      state: isOfSchema(failure) ? 'not_migrated' : failure.code === READ_ONLY ? 'read_only' : 'unavailable',
      sentence,
    };
  }
}

/** The outcome of a check, or `silent` if there is none in time. */
async function within(check: Promise<Availability>, silent: Availability): Promise<Availability> {
  const over = new AbortController();
  try {
    return await Promise.race([check, delay(CHECK_MS, silent, { signal: over.signal })]);
  } finally {
    over.abort();
  }
}

export const healthRoutes = [healthz, readyz];
