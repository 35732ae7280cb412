import { z } from 'zod';
import { deliveriesOf, findDelivery, listDeliveries, listNotices } from '../../db/notices/lists.ts';
import { resendDelivery } from '../../db/notices/starts.ts';
import { delivery } from '../channels/schemas.ts';
import { storedId } from '../connections/lookups.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { deliveryDocument, noticeDocument } from './documents.ts';
import { deliveriesQuery, deliveryList, noticeList, noticesQuery } from './schemas.ts';
import { startDelivery } from './start.ts';

const tag = 'Notices';

const list = endpoint({
  method: 'get',
  path: '/v1/notices',
  tag,
  operation: 'listNotices',
  summary: 'Lists what people should know, newest first',
  query: noticesQuery,
  body: nothing,
  out: noticeList,
  statuses: { 200: 'A page of notices.' },
  problems: ['conflict'],
  handle: async ({ query }, { db }) => {
    const { kind = null, state = null, connection_id: connectionId, limit, after } = query;
    const from = after === undefined ? null : decodeCursor(after, z.int());
    const which = { kind, state, connectionId: connectionId ?? null };
    const found = await listNotices(db, { ...which, after: from, limit: limit + 1 });
    const { page, next } = pageOf(found, limit, ({ no }) => no);
    const deliveries = await deliveriesOf(
      db,
      page.map(({ id }) => id),
    );
    return { status: 200, body: { data: page.map((notice) => noticeDocument(notice, deliveries)), next } };
  },
});

const listOfDeliveries = endpoint({
  method: 'get',
  path: '/v1/deliveries',
  tag,
  operation: 'listDeliveries',
  summary: 'Lists the ways of notices to their addresses, newest first',
  query: deliveriesQuery,
  body: nothing,
  out: deliveryList,
  statuses: { 200: 'A page of deliveries.' },
  problems: ['conflict'],
  handle: async ({ query }, { db }) => {
    const { state, notice_id: noticeId, channel_id: channelId, limit, after } = query;
    const from = after === undefined ? null : decodeCursor(after, z.int());
    const found = await listDeliveries(db, { state, noticeId, channelId }, { after: from, limit: limit + 1 });
    const { page, next } = pageOf(found, limit, ({ no }) => no);
    return { status: 200, body: { data: page.map(deliveryDocument), next } };
  },
});

const resend = endpoint({
  method: 'post',
  path: '/v1/deliveries/:id/resend',
  tag,
  operation: 'resendDelivery',
  summary: 'Sends a delivery again that failed, is unknown, or is held',
  description: 'One that was sent is never sent again: a notice is told once.',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: delivery,
  statuses: { 202: 'The delivery, which is tried for another day.' },
  problems: ['conflict'],
  handle: async ({ id: given, actor }, deps) => {
    const id = storedId(given);
    const resent = await resendDelivery(deps.db, id, actor);
    switch (resent.outcome) {
      case 'unknown':
        throw new Problem('not_found');
      case 'refused':
        throw new Problem('conflict', { detail: `The delivery is ${resent.state}${WHY_NOT[resent.state] ?? ''}.` });
      case 'channel_deleted':
        throw new Problem('conflict', { detail: 'The channel of this delivery is deleted.' });
      case 'queued':
    }
    const found = await findDelivery(deps.db, id);
    if (found === null) throw new Problem('not_found');
    deps.log.info({ delivery: id, actor }, 'a delivery is sent again');
    await startDelivery(deps, found, true);
    return { status: 202, body: deliveryDocument(found) };
  },
});

const WHY_NOT: Readonly<Record<string, string>> = {
  sent: ', and a notice is told once',
  pending: ' already, so it is on its way',
  sending: ' just now',
};

/** Notices and their deliveries. */
export const noticeRoutes = [list, listOfDeliveries, resend];
