import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { existingConnections } from '../../db/connections/live.ts';
import { addDeploymentEvent } from '../../db/deployment/events.ts';
import {
  ChannelNameTakenError,
  changeChannel,
  createChannel,
  deleteChannel,
  findChannel,
  listChannels,
  type ChannelInfo,
} from '../../db/notices/channels.ts';
import { deliveriesOf } from '../../db/notices/lists.ts';
import { writeNotice } from '../../db/notices/outbox.ts';
import { EVERYTHING, type Subscriptions } from '../../domain/notices/subscriptions.ts';
import { storedId } from '../connections/lookups.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { deliveryDocument } from '../notices/documents.ts';
import { startDelivery } from '../notices/start.ts';
import { channel, channelChange, channelList, channelTest, channelsQuery, newChannel } from './schemas.ts';
import { changedTarget, newTarget } from './target.ts';

const tag = 'Channels';

const create = endpoint({
  method: 'post',
  path: '/v1/channels',
  tag,
  operation: 'createChannel',
  summary: 'Creates a channel, to which notices go from now on',
  description: 'Test it next: nothing is sent before there is something to tell.',
  role: 'admin',
  query: nothing,
  body: newChannel,
  out: channel,
  statuses: { 201: 'The channel, without its secrets.' },
  problems: ['conflict'],
  handle: async ({ body, actor }, deps) => {
    const target = newTarget(body, deps.notifyAllow);
    const subscriptions =
      body.subscriptions === undefined ? EVERYTHING : await subscriptionsOf(deps, body.subscriptions);
    const { name } = body;
    const id = await createChannel(deps.db, deps.ring, { name, target, subscriptions, actor }).catch(throwProblem);
    deps.log.info({ channel: id, kind: target.kind, actor }, 'a channel is created');
    return { status: 201, body: await shown(deps, id), location: `/v1/channels/${id}` };
  },
});

const list = endpoint({
  method: 'get',
  path: '/v1/channels',
  tag,
  operation: 'listChannels',
  summary: 'Lists the channels, newest first',
  query: channelsQuery,
  body: nothing,
  out: channelList,
  statuses: { 200: 'A page of channels.' },
  problems: ['conflict'],
  handle: async ({ query: { limit, after } }, { db }) => {
    const from = after === undefined ? null : decodeCursor(after, z.int());
    const { page, next } = pageOf(await listChannels(db, { after: from, limit: limit + 1 }), limit, ({ no }) => no);
    return { status: 200, body: { data: page.map(channelDocument), next } };
  },
});

const read = endpoint({
  method: 'get',
  path: '/v1/channels/:id',
  tag,
  operation: 'getChannel',
  summary: 'Reads a channel',
  query: nothing,
  body: nothing,
  out: channel,
  statuses: { 200: 'The channel, without its secrets.' },
  problems: [],
  handle: async ({ id }, deps) => ({ status: 200, body: await shown(deps, id) }),
});

const change = endpoint({
  method: 'patch',
  path: '/v1/channels/:id',
  tag,
  operation: 'changeChannel',
  summary: 'Changes a channel; what is not given stays',
  description:
    'The kind never changes. `to` and `subscriptions` replace what was there. What waits for the channel goes to its new target.',
  role: 'admin',
  query: nothing,
  body: channelChange,
  out: channel,
  statuses: { 200: 'The channel as it is now.' },
  problems: ['conflict'],
  handle: async ({ id: given, body, actor }, deps) => {
    const id = storedId(given);
    const before = await findChannel(deps.db, id);
    if (before === null) throw new Problem('not_found');
    const target = changedTarget(before.kind, body, deps.notifyAllow) ?? undefined;
    const subscriptions =
      body.subscriptions === undefined ? undefined : await subscriptionsOf(deps, body.subscriptions);
    const { name, enabled } = body;
    const changed = { name, target, subscriptions, enabled };
    const exists = await changeChannel(deps.db, deps.ring, id, changed, actor).catch(throwProblem);
    if (!exists) throw new Problem('not_found');
    deps.log.info({ channel: id, actor }, 'a channel is changed');
    return { status: 200, body: await shown(deps, id) };
  },
});

const remove = endpoint({
  method: 'delete',
  path: '/v1/channels/:id',
  tag,
  operation: 'deleteChannel',
  summary: 'Deletes a channel and its secrets for good',
  description: 'What waits for it ends as failed. Deliveries to it are still listed.',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: nothing,
  statuses: { 204: 'The channel is deleted.' },
  problems: [],
  handle: async ({ id: given, actor }, { db, log }) => {
    const id = storedId(given);
    if (!(await deleteChannel(db, id, actor))) throw new Problem('not_found');
    log.info({ channel: id, actor }, 'a channel is deleted');
    return { status: 204, body: {} };
  },
});

const test = endpoint({
  method: 'post',
  path: '/v1/channels/:id/test',
  tag,
  operation: 'testChannel',
  summary: 'Sends a notice to a channel, whatever it subscribes to, and repeats the words of the other side',
  description:
    'The notice goes the way of every other one, through the worker. The reply waits some seconds for the first answer of each address; later ones are in `GET /v1/deliveries`.',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: channelTest,
  statuses: {
    200: 'Each address has answered.',
    202: 'Some address has not answered yet; its delivery goes on.',
  },
  problems: ['conflict'],
  handle: async ({ id: given, actor, waitFor }, deps) => {
    const id = storedId(given);
    const found = await findChannel(deps.db, id);
    if (found === null) throw new Problem('not_found');
    if (found.disabledReason !== null) {
      throw new Problem('conflict', { detail: `The channel is disabled. ${found.disabledReason}` });
    }
    const noticeId = await writeTest(deps, found, actor);
    const written = await deliveriesOf(deps.db, [noticeId]);
    if (written.length === 0) throw new Problem('conflict', { detail: 'Every address of this channel unsubscribed.' });
    await Promise.all(written.map((delivery) => startDelivery(deps, delivery, false)));
    const answered = await waitFor(async () => {
      const now = await deliveriesOf(deps.db, [noticeId]);
      return now.every(({ state, words }) => words !== null && state !== 'sending') ? now : null;
    });
    const deliveries = answered ?? (await deliveriesOf(deps.db, [noticeId]));
    const body = { notice_id: noticeId, deliveries: deliveries.map(deliveryDocument) };
    return { status: answered === null ? 202 : 200, body };
  },
});

function writeTest({ db }: Deps, { id, name }: ChannelInfo, actor: string): Promise<string> {
  return db.transaction(async (tx) => {
    const noticeId = await writeNotice(tx, {
      kind: 'test',
      dedupeKey: `test:${randomUUID()}`,
      connectionId: null,
      data: { channel: name, asked_by: actor },
      onlyTo: [id],
    });
    if (noticeId === null) throw new Error('a notice with a new key was there already');
    await addDeploymentEvent(tx, { type: 'channel_tested', actor, message: `Channel "${name}" (${id}) is tested.` });
    return noticeId;
  });
}

function throwProblem(error: unknown): never {
  if (error instanceof ChannelNameTakenError) {
    const errors = [{ path: 'body.name', message: 'is the name of another channel' }];
    throw new Problem('conflict', { detail: error.message, errors });
  }
  throw error;
}

async function subscriptionsOf(
  { db }: Deps,
  { kinds, least_severity: leastSeverity, connections }: NonNullable<z.output<typeof newChannel>['subscriptions']>,
): Promise<Subscriptions> {
  const ids = connections === undefined ? null : [...new Set(connections.map((id) => id.toLowerCase()))];
  if (ids !== null && (await existingConnections(db, ids)).length < ids.length) {
    throw contradiction('body.subscriptions.connections', 'names a connection that does not exist');
  }
  return {
    kinds: kinds === undefined ? null : [...new Set(kinds)],
    leastSeverity: leastSeverity ?? null,
    connections: ids,
  };
}

async function shown({ db }: Deps, id: string): Promise<z.input<typeof channel>> {
  const found = await findChannel(db, storedId(id));
  if (found === null) throw new Problem('not_found');
  return channelDocument(found);
}

function channelDocument(info: ChannelInfo): z.input<typeof channel> {
  const { kinds, leastSeverity, connections } = info.subscriptions;
  return {
    id: info.id,
    name: info.name,
    kind: info.kind,
    target: info.hint,
    to: info.addresses.map(({ address, unsubscribedAt }) => ({
      address,
      unsubscribed_at: unsubscribedAt?.toISOString() ?? null,
    })),
    subscriptions: {
      kinds: kinds === null ? null : [...kinds],
      least_severity: leastSeverity,
      connections: connections === null ? null : [...connections],
    },
    enabled: info.disabledAt === null,
    disabled_reason: info.disabledReason,
    created_at: info.createdAt.toISOString(),
  };
}

/** Where notices go. */
export const channelRoutes = [create, list, test, read, change, remove];
