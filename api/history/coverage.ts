import type { z } from 'zod';
import { listStoredDays, type DayView } from '../../db/ledger/history.ts';
import { daysIn, earlierOf, laterOf, lengthOf, type Day } from '../../domain/days.ts';
import { findConnection, todayOf } from '../connections/lookups.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS, rangeOf } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import { coverageList, coverageQuery } from './schemas.ts';

const MAX_DAYS = 400;

const coverage = endpoint({
  method: 'get',
  path: '/v1/connections/:id/coverage',
  tag: 'History',
  operation: 'getCoverage',
  summary: `Shows day by day what is stored, oldest first: the last ${DEFAULT_DAYS} days, or a range of up to ${MAX_DAYS}`,
  description: 'A day without usage has zero lines and is not `missing`.',
  query: coverageQuery,
  body: nothing,
  out: coverageList,
  statuses: { 200: 'The days of the range that lie within the connection, and the number of the other days.' },
  problems: ['conflict'],
  handle: async ({ id: givenId, query }, deps) => {
    const { id, status, began, endedOn, isPurged } = await findConnection(deps, givenId);
    const today = todayOf(deps);
    const { from, to } = rangeOf(query, today, MAX_DAYS);
    const within = { from: laterOf(from, began), to: earlierOf(to, earlierOf(endedOn ?? today, today)) };
    const stored = await listStoredDays(deps.db, id, within);
    const byDay = new Map(stored.map((view) => [`${view.report} ${view.day}`, view]));
    const days = isPurged || status === 'refused' ? [] : daysIn(within);
    const data = days
      .map((day) => dayDocument(day, byDay.get(`cost ${day}`), byDay.get(`usage ${day}`)))
      .filter((document) => query.state === undefined || isIn(query.state, document));
    const uncovered = lengthOf({ from, to }) - days.length;
    return { status: 200, body: { data, next: null, from, to, uncovered_days: uncovered } };
  },
});

type DayDocument = z.input<typeof coverageList>['data'][number];

/** Whether a day is in this state in cost or in usage. */
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

export const coverageRoutes = [coverage];
