import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { createConnection, renameConnection } from '../../db/connections/connections.ts';
import { addEvent } from '../../db/connections/events.ts';
import { loadConnectionState } from '../../db/connections/live.ts';
import { listConnectionViews } from '../../db/connections/views.ts';
import type { Verdict } from '../../db/keys/verdict.ts';
import { isLive } from '../../domain/connection/statuses.ts';
import { addDays } from '../../domain/days.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { adminKeyOf } from '../keys/schemas.ts';
import { acceptedOrThrow, awaitVerdict } from '../keys/verdicts.ts';
import { MAX_WAIT_MS } from '../http/wait.ts';
import { tellOrDefer } from '../temporal.ts';
import { connectionDocument } from './documents.ts';
import { findConnection, shownConnection, storedId, todayOf } from './lookups.ts';
import { connection, connectionList, connectionsQuery, disconnectQuery, newConnection, renaming } from './schemas.ts';

const tag = 'Connections';

const create = endpoint({
  method: 'post',
  path: '/v1/connections',
  tag,
  operation: 'connectOrganization',
  summary: 'Connects an organization with an Admin API key',
  description: `Waits up to ${MAX_WAIT_MS / 1000} seconds for Anthropic's verdict on the key. A key that Anthropic refuses gets a 422. Its connection is then \`refused\`: lists leave it out, and the \`connection_id\` of the problem still reads it. Meterline encrypts the key before it stores it, and never shows it again.`,
  query: nothing,
  body: newConnection,
  out: connection,
  statuses: {
    201: 'Anthropic accepted the key, and the backfill begins.',
    202: 'The connection is stored and there is no verdict on the key yet; Meterline tries it again on its own.',
  },
  problems: ['key_format', 'key_invalid', 'key_forbidden', 'individual_account', 'already_connected', 'conflict'],
  handle: async ({ body, actor, waitFor }, deps) => {
    const adminKey = adminKeyOf(body);
    const [id, keyId, today] = [randomUUID(), randomUUID(), todayOf(deps)];
    await createConnection(deps.db, deps.ring, {
      id,
      name: body.name,
      began: addDays(today, 1 - body.backfill_days),
      backfillTo: today,
      keyId,
      adminKey,
      actor,
    });
    const started = await tellOrDefer(deps.log, id, () => deps.temporal.startConnection(id, body.name));
    const verdict = started ? await awaitVerdict(deps, { connectionId: id, keyId }, hasVerdictOrTry, waitFor) : null;
    const status = acceptedOrThrow(verdict, id) ? 201 : 202;
    return { status, body: await shownConnection(deps, id), location: `/v1/connections/${id}` };
  },
});

/** A try that Anthropic did not answer counts too: its answer may take long. */
function hasVerdictOrTry(verdict: Verdict): boolean {
  return verdict.status !== 'validating' || verdict.tries > 0;
}

const list = endpoint({
  method: 'get',
  path: '/v1/connections',
  tag,
  operation: 'listConnections',
  summary: 'Lists connections, newest first; refused ones only if `status` asks for them',
  query: connectionsQuery,
  body: nothing,
  out: connectionList,
  statuses: { 200: 'A page of connections.' },
  problems: ['conflict'],
  handle: async ({ query }, deps) => {
    const found = await listConnectionViews(
      deps.db,
      {
        status: query.status ?? null,
        after: query.after === undefined ? null : decodeCursor(query.after, z.guid()),
        limit: query.limit + 1,
      },
      todayOf(deps),
    );
    const { page, next } = pageOf(found, query.limit, ({ id }) => id);
    return { status: 200, body: { data: page.map((view) => connectionDocument(view, deps.settings)), next } };
  },
});

const show = endpoint({
  method: 'get',
  path: '/v1/connections/:id',
  tag,
  operation: 'getConnection',
  summary: 'Shows a connection, also a refused one',
  description:
    'Its status, its covered and missing days, its last sync, and its last failure with what to do about it.',
  query: nothing,
  body: nothing,
  out: connection,
  statuses: { 200: 'The connection.' },
  problems: [],
  handle: async ({ id }, deps) => ({ status: 200, body: await shownConnection(deps, id) }),
});

const rename = endpoint({
  method: 'patch',
  path: '/v1/connections/:id',
  tag,
  operation: 'renameConnection',
  summary: 'Gives a connection another name',
  query: nothing,
  body: renaming,
  out: connection,
  statuses: { 200: 'The connection.' },
  problems: [],
  handle: async ({ id, body, actor }, deps) => {
    if (!(await renameConnection(deps.db, storedId(id), body.name, actor))) throw new Problem('not_found');
    return { status: 200, body: await shownConnection(deps, id) };
  },
});

const disconnect = endpoint({
  method: 'delete',
  path: '/v1/connections/:id',
  tag,
  operation: 'disconnectOrganization',
  summary: 'Ends a connection and destroys its keys; its data stays unless `purge` is true',
  description: `Waits up to ${MAX_WAIT_MS / 1000} seconds until it is done. An ended connection can still be purged. The key stays valid at Anthropic until somebody deletes it in the Claude Console.`,
  query: disconnectQuery,
  body: nothing,
  out: connection,
  statuses: { 200: 'The connection is disconnected.', 202: 'The worker will disconnect it.' },
  problems: ['conflict'],
  handle: async ({ id: givenId, query, actor, waitFor }, deps) => {
    const { id, status } = await findConnection(deps, givenId);
    const isEnded = !isLive(status);
    if (isEnded && !query.purge) throw new Problem('conflict', { detail: `The connection is ${status}.` });
    const message = query.purge ? 'Asked to disconnect and to delete what was read.' : 'Asked to disconnect.';
    await addEvent(deps.db, id, { type: 'request', actor, message });
    await deps.temporal.signalConnection(id, 'disconnect', { purge: query.purge });
    const done = await waitFor(async () => {
      const state = await loadConnectionState(deps.db, id);
      const ended = isEnded || state?.status === 'disconnected';
      return ended && (!query.purge || state?.isPurged === true) ? true : null;
    });
    return { status: done === true ? 200 : 202, body: await shownConnection(deps, id) };
  },
});

export const connectionRoutes = [create, list, show, rename, disconnect];
