import type { Schema } from '../../client/client.ts';
import { draftsOf } from '../../client/use-draft.ts';
import type { ChannelKind, NoticeKind, Severity } from './words.ts';

type Channel = Schema<'Channel'>;

/** What somebody types about a channel, without what nobody may see again. */
export interface ChannelDraft {
  readonly name: string;
  /** Mail addresses, one a line. */
  readonly to: string;
  readonly takes: 'all' | 'some';
  /** None for every kind. */
  readonly kinds: readonly NoticeKind[];
  readonly least: Severity | null;
  /** Ids; none for every connection. */
  readonly connections: readonly string[];
}

/** What leads to a channel and is never shown again, so the page keeps it only as long as its form is there. */
export interface ChannelSecrets {
  readonly url: string;
  readonly secret: string;
  readonly routingKey: string;
}

/** Channels that somebody creates or changes. */
export const channelDrafts = draftsOf<ChannelDraft>();

/** No secrets yet. */
export const NO_SECRETS: ChannelSecrets = { url: '', secret: '', routingKey: '' };

/** The places of the body that the form has a field for. */
export const CHANNEL_PLACES = ['name', 'to', 'url', 'secret', 'routing_key', 'subscriptions'];

/** A new channel before anything is typed. Whatever a pager takes wakes somebody. */
export function newDraft(kind: ChannelKind): ChannelDraft {
  const isPager = kind === 'pagerduty';
  const least = isPager ? 'warning' : null;
  return { name: '', to: '', takes: isPager ? 'some' : 'all', kinds: [], least, connections: [] };
}

/** A stored channel as its form shows it. */
export function draftOf({ name, to, subscriptions }: Channel): ChannelDraft {
  const { kinds, least_severity: least, connections } = subscriptions;
  return {
    name,
    to: to.map(({ address }) => address).join('\n'),
    takes: kinds === null && least === null && connections === null ? 'all' : 'some',
    kinds: kinds ?? [],
    least,
    connections: connections ?? [],
  };
}

/** The mail addresses of a draft, in their order. */
export function addressesOf({ to }: Pick<ChannelDraft, 'to'>): string[] {
  return to.split(/[\s,;]+/).filter((address) => address !== '');
}

/** The body that creates a channel. Empty fields are sent, so that the API says what each one needs. */
export function creationOf(kind: ChannelKind, draft: ChannelDraft, secrets: ChannelSecrets): object {
  const { url, secret, routingKey } = secrets;
  const body = { name: draft.name, kind, ...(draft.takes === 'some' ? { subscriptions: subscriptionsOf(draft) } : {}) };
  switch (kind) {
    case 'email':
      return { ...body, to: addressesOf(draft) };
    case 'slack':
    case 'teams':
      return { ...body, url };
    case 'webhook':
      return { ...body, url, secret };
    case 'pagerduty':
      return { ...body, routing_key: routingKey };
  }
}

/** The body that changes a channel: only what differs from what is stored. */
export function changeOf(before: ChannelDraft, draft: ChannelDraft, secrets: ChannelSecrets): object {
  const { url, secret, routingKey } = secrets;
  const [was, is] = [subscriptionsOf(before), subscriptionsOf(draft)];
  return {
    ...(draft.name === before.name ? {} : { name: draft.name }),
    ...(draft.to === before.to ? {} : { to: addressesOf(draft) }),
    ...(url === '' ? {} : { url }),
    ...(secret === '' ? {} : { secret }),
    ...(routingKey === '' ? {} : { routing_key: routingKey }),
    ...(JSON.stringify(was) === JSON.stringify(is) ? {} : { subscriptions: is }),
  };
}

function subscriptionsOf({ takes, kinds, least, connections }: ChannelDraft): object {
  if (takes === 'all') return {};
  return {
    ...(kinds.length === 0 ? {} : { kinds }),
    ...(least === null ? {} : { least_severity: least }),
    ...(connections.length === 0 ? {} : { connections }),
  };
}

const SECRET_BYTES = 32;

/** A new secret of Standard Webhooks, made in this browser. */
export function makeSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}
