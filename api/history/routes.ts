import { z } from 'zod';
import { listEvents } from '../../db/connections/events.ts';
import { listWorkspaces, type StoredWorkspace } from '../../db/connections/workspaces.ts';
import { listRestatements } from '../../db/ledger/history.ts';
import { DEFAULT_WORKSPACE } from '../../domain/workspaces.ts';
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
  type workspaceItem,
  workspacesQuery,
} from './schemas.ts';

const tag = 'History';
const rowId = z.int();

const workspaces = endpoint({
  method: 'get',
  path: '/v1/connections/:id/workspaces',
  tag,
  operation: 'listWorkspaces',
  summary: 'Lists the workspaces of the organization, archived ones too, with their tags and their former names',
  description:
    'The default workspace comes first, then the others by name. Workspaces of the same name, such as an archived one and the one made in its place, are told apart by their id.',
  query: workspacesQuery,
  body: nothing,
  out: workspaceList,
  statuses: { 200: 'A page of workspaces.' },
  problems: ['conflict'],
  handle: async ({ id: givenId, query: { limit, after } }, deps) => {
    const { id } = await findConnection(deps, givenId);
    const position = after === undefined ? null : decodeCursor(after, positionText);
    const isFirstPage = position === null;
    const found = await listWorkspaces(deps.db, id, {
      after: position === AFTER_DEFAULT ? null : position,
      limit: limit + 1,
    });
    const listed = [...(isFirstPage ? [DEFAULT] : []), ...found.map(workspaceDocument)];
    const { page, next } = pageOf(listed, limit, (workspace) => workspace.id ?? AFTER_DEFAULT);
    return { status: 200, body: { data: [...page], next } };
  },
});

type WorkspaceDocument = z.input<typeof workspaceItem>;

/** The position after the default workspace. No id is empty. */
const AFTER_DEFAULT = '';

/** Anthropic does not list the default workspace, so nothing but its name is known. */
const DEFAULT: WorkspaceDocument = {
  id: null,
  name: DEFAULT_WORKSPACE,
  tags: [],
  names: [],
  created_at: null,
  archived_at: null,
  read_at: null,
};

function workspaceDocument(workspace: StoredWorkspace): WorkspaceDocument {
  const { id, name, tags, names, createdAtMs, archivedAtMs, readAtMs } = workspace;
  return {
    id,
    name,
    tags: tags.map(({ key, value, firstSeen }) => ({ key, value, first_seen: firstSeen })),
    names: names.map(({ name: known, firstSeen }) => ({ name: known, first_seen: firstSeen })),
    created_at: instantText(createdAtMs),
    archived_at: instantText(archivedAtMs),
    read_at: instantText(readAtMs),
  };
}

function instantText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

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
  problems: ['conflict'],
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
  problems: ['conflict'],
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
