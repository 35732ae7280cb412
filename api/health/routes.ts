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
  summary: 'Whether Postgres and Temporal serve',
  query: nothing,
  body: nothing,
  out: readiness,
  statuses: { 200: 'Both do.' },
  refusals: ['unavailable'],
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
            .map(({ said }) => said)
            .filter((said) => said !== '')
            .join(' ');
    throw new Problem('unavailable', { detail, extra: states });
  },
});

/** What a part that this process needs is like, and a sentence where it does not serve. */
interface State {
  readonly state: 'ok' | 'unavailable' | 'read_only' | 'not_migrated';
  readonly said: string;
}

const OK: State = { state: 'ok', said: '' };
const SILENT_POSTGRES: State = { state: 'unavailable', said: 'Postgres does not answer.' };
const SILENT_TEMPORAL: State = { state: 'unavailable', said: 'Temporal does not answer.' };

async function stateOfPostgres(db: Db): Promise<State> {
  try {
    await checkSchema(db);
    await checkWritable(db);
    return OK;
  } catch (error) {
    const failure = databaseFailure(error);
    const said = failure === null ? null : await whyUnavailable(failure, db).catch(() => null);
    if (failure === null || said === null) return SILENT_POSTGRES;
    if (said === SILENT_POSTGRES.said) return SILENT_POSTGRES;
    return {
      state: isOfSchema(failure) ? 'not_migrated' : failure.code === READ_ONLY ? 'read_only' : 'unavailable',
      said,
    };
  }
}

async function within(check: Promise<State>, otherwise: State): Promise<State> {
  const silence = new AbortController();
  try {
    return await Promise.race([check, delay(CHECK_MS, otherwise, { signal: silence.signal })]);
  } finally {
    silence.abort();
  }
}

/** For whatever watches this process. */
export const healthRoutes = [healthz, readyz];
