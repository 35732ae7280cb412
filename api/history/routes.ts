import { z } from 'zod';
import { listEvents } from '../../db/connections/events.ts';
import { listWorkspaces } from '../../db/connections/workspaces.ts';
import { listRestatements } from '../../db/ledger/history.ts';
import { findConnection } from '../connections/lookups.ts';
import { decodeCursor, pageOf, positionText } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import {
  eventList,
  eventsQuery,
  restatementList,
  restatementsQuery,
  workspaceList,
  workspacesQuery,
} from './schemas.ts';

const tag = 'History';
const rowId = z.int();

const workspaces = endpoint({
  method: 'get',
  path: '/v1/connections/:id/workspaces',
  tag,
  operation: 'listWorkspaces',
  summary: 'Lists the workspaces of the organization by name, archived ones too',
  query: workspacesQuery,
  body: nothing,
  out: workspaceList,
  statuses: { 200: 'A page of workspaces, without the default workspace, which has no id.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, query: { limit, after } }, deps) => {
    const { id } = await findConnection(deps, givenId);
    const found = await listWorkspaces(deps.db, id, {
      after: after === undefined ? null : decodeCursor(after, positionText),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, (workspace) => workspace.id);
    const data = page.map((workspace) => ({
      id: workspace.id,
      name: workspace.name,
      created_at: workspace.createdAt?.toISOString() ?? null,
      archived_at: workspace.archivedAt?.toISOString() ?? null,
      read_at: workspace.readAt.toISOString(),
    }));
    return { status: 200, body: { data, next } };
  },
});

const events = endpoint({
  method: 'get',
  path: '/v1/connections/:id/events',
  tag,
  operation: 'listEvents',
  summary: 'Lists what happened to a connection, newest first, and who asked for it',
  query: eventsQuery,
  body: nothing,
  out: eventList,
  statuses: { 200: 'A page of events.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, query: { type, limit, after } }, deps) => {
    const { id } = await findConnection(deps, givenId);
    const found = await listEvents(deps.db, id, {
      type: type ?? null,
      after: after === undefined ? null : decodeCursor(after, rowId),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, (event) => event.id);
    return { status: 200, body: { data: page.map((event) => ({ ...event, at: event.at.toISOString() })), next } };
  },
});

const restatements = endpoint({
  method: 'get',
  path: '/v1/connections/:id/restatements',
  tag,
  operation: 'listRestatements',
  summary: 'Lists the changes that Anthropic made to days after they were read, newest first',
  query: restatementsQuery,
  body: nothing,
  out: restatementList,
  statuses: { 200: 'A page of restatements.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, query: { report, from, to, limit, after } }, deps) => {
    const { id } = await findConnection(deps, givenId);
    if (from !== undefined && to !== undefined && from > to)
      throw contradiction('query.from', 'must not be after "to"');
    const found = await listRestatements(deps.db, id, {
      report: report ?? null,
      from: from ?? null,
      to: to ?? null,
      after: after === undefined ? null : decodeCursor(after, rowId),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, (restatement) => restatement.id);
    const data = page.map(({ linesAdded, linesRemoved, linesChanged, at, ...restatement }) => ({
      ...restatement,
      lines_added: linesAdded,
      lines_removed: linesRemoved,
      lines_changed: linesChanged,
      at: at.toISOString(),
    }));
    return { status: 200, body: { data, next } };
  },
});

/** What was read for a connection besides days and syncs, and what happened to it. */
export const historyRoutes = [workspaces, events, restatements];
