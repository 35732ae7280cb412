import { loadConnectionState } from '../../db/connections/live.ts';
import { extendHistory } from '../../db/connections/connections.ts';
import { addEvent } from '../../db/connections/events.ts';
import { MAX_HISTORY_DAYS, addDays, type Day } from '../../domain/days.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { endpoint, type Deps, type WaitFor } from '../http/endpoint.ts';
import { backfillRequest, nothing, syncRequest } from '../http/inputs.ts';
import { findLiveConnection, shownConnection, todayOf } from './lookups.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { connection } from '../http/schemas.ts';
import { tellOrDefer } from '../keys/verdicts.ts';

const tag = 'Lifecycle';

const sync = endpoint({
  method: 'post',
  path: '/v1/connections/:id/sync',
  tag,
  operation: 'syncConnection',
  summary: 'Reads now: the days named, or what is missing and the last 31 days',
  description:
    'Days that are named are read again, whatever is stored. They lie between the first day of the connection and today.',
  query: nothing,
  body: syncRequest,
  out: connection,
  statuses: { 202: 'It is asked for.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, body, actor }, deps) => {
    const { id, status, began } = await findLiveConnection(deps, asked);
    if (status === 'paused') throw new Problem('conflict', { detail: 'The connection is paused; resume it first.' });
    const range = syncRange(body, began, todayOf(deps));
    const what = range === null ? 'what is missing' : `${range.from} to ${range.to}`;
    await addEvent(deps.db, id, { type: 'request', actor, message: `Asked to read ${what} now.` });
    await deps.temporal.signalConnection(id, 'syncNow', range ?? {});
    return { status: 202, body: await shownConnection(deps, id) };
  },
});

function syncRange(
  { from, to }: { from?: Day | undefined; to?: Day | undefined },
  began: Day,
  today: Day,
): { from: Day; to: Day } | null {
  if (from === undefined || to === undefined) return null;
  if (from > to) throw contradiction('body.from', 'must not be after "to"');
  if (from < began) throw contradiction('body.from', `must not be before ${began}, where this connection begins`);
  if (to > today) throw contradiction('body.to', `must not be after today, ${today} in UTC`);
  return { from, to };
}

const backfill = endpoint({
  method: 'post',
  path: '/v1/connections/:id/backfill',
  tag,
  operation: 'extendHistory',
  summary: `Extends history back to a day, at most ${MAX_HISTORY_DAYS} days before today; the days are read as missing ones are`,
  query: nothing,
  body: backfillRequest,
  out: connection,
  statuses: { 202: 'It is asked for. Where the connection begins no later already, nothing changes.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, body, actor }, deps) => {
    const { id } = await findLiveConnection(deps, asked);
    const from = firstDayOf(body.from, todayOf(deps));
    const extended = await extendHistory(deps.db, id, from, actor);
    if (extended === 'ended') throw new Problem('conflict', { detail: 'The connection has ended.' });
    // Should Temporal not answer, a worker sees by itself what is missing.
    if (extended === 'extended') await tellOrDefer(deps, id, () => deps.temporal.wakeConnection(id));
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
  summary: 'Stops reading until it is resumed; days that are missed are read then',
  query: nothing,
  body: nothing,
  out: connection,
  statuses: { 200: 'It is paused.', 202: 'It is asked for, and done once the worker runs.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, actor, waitFor }, deps) => {
    const { id, status } = await findLiveConnection(deps, asked);
    if (status === 'paused') throw new Problem('conflict', { detail: 'The connection is paused already.' });
    await addEvent(deps.db, id, { type: 'request', actor, message: 'Asked to pause.' });
    await deps.temporal.signalConnection(id, 'pause');
    const done = await becomes(deps, id, (now) => now === 'paused', waitFor);
    return { status: done ? 200 : 202, body: await shownConnection(deps, id) };
  },
});

const resume = endpoint({
  method: 'post',
  path: '/v1/connections/:id/resume',
  tag,
  operation: 'resumeConnection',
  summary: 'Goes on reading after a pause',
  query: nothing,
  body: nothing,
  out: connection,
  statuses: { 200: 'It goes on.', 202: 'It is asked for, and done once the worker runs.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, actor, waitFor }, deps) => {
    const { id, status } = await findLiveConnection(deps, asked);
    if (status !== 'paused') throw new Problem('conflict', { detail: 'The connection is not paused.' });
    await addEvent(deps.db, id, { type: 'request', actor, message: 'Asked to resume.' });
    await deps.temporal.signalConnection(id, 'resume');
    const done = await becomes(deps, id, (now) => now !== 'paused', waitFor);
    return { status: done ? 200 : 202, body: await shownConnection(deps, id) };
  },
});

async function becomes(
  { db }: Deps,
  id: string,
  isWanted: (status: Status) => boolean,
  waitFor: WaitFor,
): Promise<boolean> {
  const found = await waitFor(async () => {
    const standing = await loadConnectionState(db, id);
    return standing !== null && isWanted(standing.status) ? standing : null;
  });
  return found !== null;
}

/** What a connection is told to do. */
export const lifecycleRoutes = [sync, backfill, pause, resume];
