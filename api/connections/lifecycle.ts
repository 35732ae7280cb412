import { extendHistory } from '../../db/connections/connections.ts';
import { addEvent } from '../../db/connections/events.ts';
import { loadConnectionState } from '../../db/connections/live.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { MAX_HISTORY_DAYS, addDays, type Day, type DayRange } from '../../domain/days.ts';
import { endpoint, type Deps, type WaitFor } from '../http/endpoint.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { tellOrDefer } from '../temporal.ts';
import { findLiveConnection, shownConnection, todayOf } from './lookups.ts';
import { backfillRequest, connection, syncRequest } from './schemas.ts';

const tag = 'Lifecycle';

const sync = endpoint({
  method: 'post',
  path: '/v1/connections/:id/sync',
  tag,
  operation: 'syncConnection',
  summary: 'Reads now: the given days, or the missing days and the last 31 days',
  description:
    'Given days are read again even if they are covered. They must lie between the first day of the connection and today.',
  query: nothing,
  body: syncRequest,
  out: connection,
  statuses: { 202: 'The worker will read.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, body, actor }, deps) => {
    const { id, status, began } = await findLiveConnection(deps, givenId);
    if (status === 'paused') throw new Problem('conflict', { detail: 'The connection is paused; resume it first.' });
    const window = syncWindow(body, began, todayOf(deps));
    const what = window === null ? 'what is missing' : `${window.from} to ${window.to}`;
    await addEvent(deps.db, id, { type: 'request', actor, message: `Asked to read ${what} now.` });
    await deps.temporal.signalConnection(id, 'syncNow', window ?? {});
    return { status: 202, body: await shownConnection(deps, id) };
  },
});

function syncWindow(
  { from, to }: { from?: Day | undefined; to?: Day | undefined },
  began: Day,
  today: Day,
): DayRange | null {
  if (from === undefined || to === undefined) return null;
  if (from > to) throw contradiction('body.from', 'must not be after "to"');
  if (from < began) throw contradiction('body.from', `must not be before ${began}, the first day of this connection`);
  if (to > today) throw contradiction('body.to', `must not be after today, ${today} in UTC`);
  return { from, to };
}

const backfill = endpoint({
  method: 'post',
  path: '/v1/connections/:id/backfill',
  tag,
  operation: 'extendHistory',
  summary: `Moves the first day of a connection back, at most ${MAX_HISTORY_DAYS} days before today; the worker reads the new days`,
  query: nothing,
  body: backfillRequest,
  out: connection,
  statuses: { 202: 'The worker will read the new days. Nothing changes if the connection begins as early already.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, body, actor }, deps) => {
    const { id } = await findLiveConnection(deps, givenId);
    const from = firstDayOf(body.from, todayOf(deps));
    const extended = await extendHistory(deps.db, id, from, actor);
    if (extended === 'ended') throw new Problem('conflict', { detail: 'The connection has ended.' });
    // If Temporal does not answer, the worker finds the missing days by itself.
    if (extended === 'extended') await tellOrDefer(deps.log, id, () => deps.temporal.wakeConnection(id));
    return { status: 202, body: await shownConnection(deps, id) };
  },
});

function firstDayOf(from: Day, today: Day): Day {
  const earliest = addDays(today, -MAX_HISTORY_DAYS);
  if (from > today) throw contradiction('body.from', `must not be after today, ${today} in UTC`);
  if (from < earliest) {
    throw contradiction('body.from', `must not be before ${earliest}, which is ${MAX_HISTORY_DAYS} days before today`);
  }
  return from;
}

const pause = endpoint({
  method: 'post',
  path: '/v1/connections/:id/pause',
  tag,
  operation: 'pauseConnection',
  summary: 'Stops reading until it is resumed; the days of the pause are read then',
  query: nothing,
  body: nothing,
  out: connection,
  statuses: { 200: 'The connection is paused.', 202: 'The worker will pause it.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, actor, waitFor }, deps) => {
    const { id, status } = await findLiveConnection(deps, givenId);
    if (status === 'paused') throw new Problem('conflict', { detail: 'The connection is paused already.' });
    await addEvent(deps.db, id, { type: 'request', actor, message: 'Asked to pause.' });
    await deps.temporal.signalConnection(id, 'pause');
    const isDone = await hasStatusInTime(deps, id, (now) => now === 'paused', waitFor);
    return { status: isDone ? 200 : 202, body: await shownConnection(deps, id) };
  },
});

const resume = endpoint({
  method: 'post',
  path: '/v1/connections/:id/resume',
  tag,
  operation: 'resumeConnection',
  summary: 'Resumes reading after a pause',
  query: nothing,
  body: nothing,
  out: connection,
  statuses: { 200: 'The connection is resumed.', 202: 'The worker will resume it.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, actor, waitFor }, deps) => {
    const { id, status } = await findLiveConnection(deps, givenId);
    if (status !== 'paused') throw new Problem('conflict', { detail: 'The connection is not paused.' });
    await addEvent(deps.db, id, { type: 'request', actor, message: 'Asked to resume.' });
    await deps.temporal.signalConnection(id, 'resume');
    const isDone = await hasStatusInTime(deps, id, (now) => now !== 'paused', waitFor);
    return { status: isDone ? 200 : 202, body: await shownConnection(deps, id) };
  },
});

/** Whether the status of a connection is as wanted before the request stops waiting. */
async function hasStatusInTime(
  { db }: Deps,
  id: string,
  isWanted: (status: Status) => boolean,
  waitFor: WaitFor,
): Promise<boolean> {
  const found = await waitFor(async () => {
    const state = await loadConnectionState(db, id);
    return state !== null && isWanted(state.status) ? state : null;
  });
  return found !== null;
}

export const lifecycleRoutes = [sync, backfill, pause, resume];
