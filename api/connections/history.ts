import { z } from 'zod';
import { listEvents } from '../../db/connections/events.ts';
import { listWorkspaces } from '../../db/connections/workspaces.ts';
import { listRestatements, listStoredDays, listSyncs, type DayView } from '../../db/ledger/history.ts';
import { daysIn, earlierOf, laterOf, lengthOf, type Day } from '../../domain/days.ts';
import { decodeCursor, pageOf, positionText } from '../http/cursor.ts';
import { syncDocument } from './documents.ts';
import { endpoint } from '../http/endpoint.ts';
import { coverageQuery, eventsQuery, nothing, restatementsQuery, syncsQuery, workspacesQuery } from '../http/inputs.ts';
import { findConnection, todayOf } from './lookups.ts';
import { contradiction } from '../http/problems.ts';
import { checkedRange } from '../spend/range.ts';
import { coverageList, eventList, restatementList, syncList, workspaceList } from '../http/schemas.ts';

const tag = 'History';
const MAX_COVERAGE_DAYS = 400;
const rowId = z.int();
const syncPosition = z.strictObject({ n: z.int32(), runId: positionText });

const workspaces = endpoint({
  method: 'get',
  path: '/v1/connections/:id/workspaces',
  tag,
  operation: 'listWorkspaces',
  summary: 'Lists the workspaces of the organization by name, archived ones too',
  query: workspacesQuery,
  body: nothing,
  out: workspaceList,
  statuses: { 200: 'A page of workspaces. The default workspace is not among them: it has no id.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, query: { limit, after } }, deps) => {
    const { id } = await findConnection(deps, asked);
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

const syncs = endpoint({
  method: 'get',
  path: '/v1/connections/:id/syncs',
  tag,
  operation: 'listSyncs',
  summary: 'Lists the syncs, newest first; one that was reset in Temporal has several runs',
  query: syncsQuery,
  body: nothing,
  out: syncList,
  statuses: { 200: 'A page of syncs.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, query: { kind, state, limit, after } }, deps) => {
    const { id } = await findConnection(deps, asked);
    const found = await listSyncs(deps.db, id, {
      kind: kind ?? null,
      state: state ?? null,
      after: after === undefined ? null : decodeCursor(after, syncPosition),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, ({ n, runId }) => ({ n, runId }));
    return { status: 200, body: { data: page.map((view) => syncDocument(id, view, deps.settings)), next } };
  },
});

const events = endpoint({
  method: 'get',
  path: '/v1/connections/:id/events',
  tag,
  operation: 'listEvents',
  summary: 'Lists what happened, newest first, and who asked for it',
  query: eventsQuery,
  body: nothing,
  out: eventList,
  statuses: { 200: 'A page of events.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, query: { type, limit, after } }, deps) => {
    const { id } = await findConnection(deps, asked);
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
  summary: 'Lists changes to days that had been read complete, newest first',
  query: restatementsQuery,
  body: nothing,
  out: restatementList,
  statuses: { 200: 'A page of restatements.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, query: { report, from, to, limit, after } }, deps) => {
    const { id } = await findConnection(deps, asked);
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

const coverage = endpoint({
  method: 'get',
  path: '/v1/connections/:id/coverage',
  tag,
  operation: 'getCoverage',
  summary: 'Shows day by day what is stored, oldest first: the last 31 days, or those of a range of up to 400',
  description: 'A day without usage has zero lines and is not `missing`.',
  query: coverageQuery,
  body: nothing,
  out: coverageList,
  statuses: { 200: 'The days of the range that the connection keeps, and how many of the range it does not.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, query }, deps) => {
    const { id, status, began, endedOn, isPurged } = await findConnection(deps, asked);
    const today = todayOf(deps);
    const { from, to } = checkedRange(query, today, MAX_COVERAGE_DAYS);
    const kept = { from: laterOf(from, began), to: earlierOf(to, earlierOf(endedOn ?? today, today)) };
    const stored = await listStoredDays(deps.db, id, kept);
    const byDay = new Map(stored.map((view) => [`${view.report} ${view.day}`, view]));
    const days = isPurged || status === 'refused' ? [] : daysIn(kept);
    const data = days
      .map((day) => dayDocument(day, byDay.get(`cost ${day}`), byDay.get(`usage ${day}`)))
      .filter((document) => query.state === undefined || isIn(query.state, document));
    const uncovered = lengthOf({ from, to }) - days.length;
    return { status: 200, body: { data, next: null, from, to, uncovered_days: uncovered } };
  },
});

type DayDocument = z.input<typeof coverageList>['data'][number];

/** Whether a day is in a state in either report. */
function isIn(state: z.output<typeof coverageQuery>['state'], { usage, ...cost }: DayDocument): boolean {
  if (state === 'disagreeing') return cost.disagrees_with !== null || usage.disagrees_with !== null;
  return cost.state === state || usage.state === state;
}

function dayDocument(day: Day, cost: DayView | undefined, usage: DayView | undefined): DayDocument {
  return {
    day,
    ...reportOfDay(cost),
    amount: cost?.total ?? null,
    usage: { ...reportOfDay(usage), tokens: usage?.total ?? null },
  };
}

function reportOfDay(view: DayView | undefined) {
  if (view === undefined) {
    return { state: 'missing' as const, reconciled: false, disagrees_with: null, lines: null, read_at: null };
  }
  const { state, reconciled, disagreesWith, lines, readAt } = view;
  return { state, reconciled, disagrees_with: disagreesWith, lines, read_at: readAt.toISOString() };
}

/** What was read for a connection, and what happened to it. */
export const historyRoutes = [workspaces, syncs, coverage, events, restatements];
