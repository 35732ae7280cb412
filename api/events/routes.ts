import { z } from 'zod';
import { listDeploymentEvents } from '../../db/deployment/events.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { nothing } from '../http/schemas.ts';
import { deploymentEventList, deploymentEventsQuery } from './schemas.ts';

const eventId = z.int();

const list = endpoint({
  method: 'get',
  path: '/v1/events',
  tag: 'Events',
  operation: 'listDeploymentEvents',
  summary:
    'Lists what happened to the deployment, newest first: who created and revoked which token, which sessions began and ended, and what became of channels',
  description: 'What concerns one connection is among the events of that connection.',
  query: deploymentEventsQuery,
  body: nothing,
  out: deploymentEventList,
  statuses: { 200: 'A page of events.' },
  problems: ['conflict'],
  handle: async ({ query: { type, limit, after } }, deps) => {
    const found = await listDeploymentEvents(deps.db, {
      type: type ?? null,
      after: after === undefined ? null : decodeCursor(after, eventId),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, ({ id }) => id);
    return { status: 200, body: { data: page.map((event) => ({ ...event, at: event.at.toISOString() })), next } };
  },
});

/** What happened to the deployment as a whole. */
export const eventRoutes = [list];
