import type { z } from 'zod';
import type { ChannelTarget } from '../../db/notices/channels.ts';
import type { AllowList } from '../../domain/notices/allow-list.ts';
import type { ChannelKind } from '../../domain/notices/deliveries.ts';
import { problemWithUrl } from '../../domain/notices/targets.ts';
import { contradiction } from '../http/problems.ts';
import type { channelChange, newChannel } from './schemas.ts';

type Fields = Pick<z.output<typeof channelChange>, 'to' | 'url' | 'secret' | 'routing_key' | 'region'>;

const FIELDS_OF: Readonly<Record<ChannelKind, readonly (keyof Fields)[]>> = {
  email: ['to'],
  slack: ['url'],
  teams: ['url'],
  webhook: ['url', 'secret'],
  pagerduty: ['routing_key', 'region'],
};
/** These have a default. */
const OPTIONAL: readonly (keyof Fields)[] = ['region'];

/** Where a new channel leads. Throws `conflict` if a field is missing, does not belong to the kind, or must not be. */
export function newTarget(given: z.output<typeof newChannel>, allow: AllowList): ChannelTarget {
  const { kind } = given;
  for (const name of FIELDS_OF[kind]) {
    if (given[name] === undefined && !OPTIONAL.includes(name))
      throw contradiction(`body.${name}`, `must be there for the kind ${kind}`);
  }
  checkFields(kind, given, allow);
  const { to = [], url = '', secret = '', routing_key: routingKey = '', region = 'us' } = given;
  switch (kind) {
    case 'email':
      return { kind, to: once(to) };
    case 'slack':
    case 'teams':
      return { kind, url };
    case 'webhook':
      return { kind, url, secrets: [secret] };
    case 'pagerduty':
      return { kind, routingKey, region };
  }
}

/** How a target changes; null if it does not. Throws `conflict` if a field does not belong to the kind, or must not be. */
export function changedTarget(
  kind: ChannelKind,
  given: Fields,
  allow: AllowList,
): ((before: ChannelTarget) => ChannelTarget) | null {
  checkFields(kind, given, allow);
  const { to, url, secret, routing_key: routingKey, region } = given;
  if ([to, url, secret, routingKey, region].every((field) => field === undefined)) return null;
  return (before) => {
    switch (before.kind) {
      case 'email':
        return { ...before, to: once(to ?? before.to) };
      case 'slack':
      case 'teams':
        return { ...before, url: url ?? before.url };
      case 'webhook': {
        // The receiver may still know only the secret before.
        const secrets = secret === undefined ? before.secrets : [secret, ...before.secrets.slice(0, 1)];
        return { ...before, url: url ?? before.url, secrets: [...new Set(secrets)] };
      }
      case 'pagerduty':
        return { ...before, routingKey: routingKey ?? before.routingKey, region: region ?? before.region };
    }
  };
}

function checkFields(kind: ChannelKind, given: Fields, allow: AllowList): void {
  for (const name of ['to', 'url', 'secret', 'routing_key', 'region'] as const) {
    if (given[name] !== undefined && !FIELDS_OF[kind].includes(name)) {
      throw contradiction(`body.${name}`, `does not belong to the kind ${kind}`);
    }
  }
  const problem = given.url === undefined ? null : problemWithUrl(given.url, allow);
  if (problem !== null) throw contradiction('body.url', problem);
}

/** Whatever the case of its letters, an address is one. */
function once(addresses: readonly string[]): string[] {
  return [...new Map(addresses.map((address) => [address.toLowerCase(), address])).values()];
}
