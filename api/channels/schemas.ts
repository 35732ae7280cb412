import { z } from 'zod';
import { SEVERITIES } from '../../domain/notices/content.ts';
import { CHANNEL_KINDS, DELIVERY_STATES } from '../../domain/notices/deliveries.ts';
import { NOTICE_KINDS } from '../../domain/notices/kinds.ts';
import {
  ADDRESS_LENGTH,
  ADDRESS_PATTERN,
  MAX_ADDRESSES,
  PAGERDUTY_REGIONS,
  ROUTING_KEY_PATTERN,
  SECRET_OF_WEBHOOK_PATTERN,
  URL_LENGTH,
  URL_PATTERN,
} from '../../domain/notices/targets.ts';
import { instant, listOf, nullableText, pageQuery, uuid, wholeNumber } from '../http/schemas.ts';
import { shownName } from '../http/shown-text.ts';

const MAX_CONNECTIONS = 200;

const name = shownName({
  most: 100,
  description: 'What people call the channel. No two channels have the same name. Spaces at its ends are dropped.',
  example: 'Costs team',
});

/** What is wrong with a text that its pattern does not take. One with other letters than ASCII has looks right to people. */
function unfit(ifAscii: string, otherwise: string): { error: (issue: { input?: unknown }) => string } {
  return { error: ({ input }) => (/[^\p{ASCII}]/u.test(String(input)) ? otherwise : ifAscii) };
}

const to = z
  .array(
    z
      .string()
      .max(ADDRESS_LENGTH, `must be at most ${ADDRESS_LENGTH} characters`)
      .regex(
        new RegExp(ADDRESS_PATTERN),
        unfit(
          'must be one mail address, such as costs@example.com, without line breaks',
          'must be one mail address of ASCII characters: write the letters of a domain such as ü in Punycode (xn--…)',
        ),
      )
      .meta({ examples: ['costs@example.com'] }),
  )
  .min(1, 'must have an address')
  .max(MAX_ADDRESSES, `must have at most ${MAX_ADDRESSES} addresses`)
  .meta({
    description: 'Mail addresses, for the kind `email`. Each gets a mail of its own.',
    examples: [['costs@example.com']],
  });

const url = z
  .string()
  .max(URL_LENGTH, `must be at most ${URL_LENGTH} characters`)
  .regex(
    new RegExp(URL_PATTERN),
    unfit(
      'must be an address that begins with https://, without spaces',
      'must have ASCII characters only: write a host with letters such as ü in Punycode (xn--…), and such letters after the host as %XX',
    ),
  )
  .meta({
    description:
      'The address of the webhook, for the kinds `slack`, `teams` and `webhook`. It is stored encrypted and never shown. It must begin with https:// and lead to no private network, unless `METERLINE_NOTIFY_ALLOW` names its host.',
    writeOnly: true,
    examples: ['https://hooks.example.com/services/EXAMPLE'],
  });

const secret = z
  .string()
  .regex(new RegExp(SECRET_OF_WEBHOOK_PATTERN), 'must be "whsec_" and 24 to 64 bytes in Base64')
  .meta({
    description:
      'The secret that signs each request (Standard Webhooks), for the kind `webhook`. A changed secret signs beside the one before, so that the receiver can change over.',
    format: 'password',
    writeOnly: true,
    examples: ['whsec_RVhBTVBMRS10aGlzLWlzLW5vdC1hLXNlY3JldC4uLg=='],
  });

const routingKey = z
  .string()
  .regex(new RegExp(ROUTING_KEY_PATTERN), 'must be an integration key of 32 letters and digits')
  .meta({
    description: 'The integration key of a service with Events API v2, for the kind `pagerduty`.',
    format: 'password',
    writeOnly: true,
    examples: ['EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0'],
  });

const region = z.enum(PAGERDUTY_REGIONS).meta({
  description:
    'The service region of the account, for the kind `pagerduty`: `us` unless you say `eu`. An account in Europe has addresses with `eu.pagerduty.com`.',
  examples: ['eu'],
});

const subscriptions = z
  .strictObject({
    kinds: z
      .array(z.enum(NOTICE_KINDS))
      .min(1, 'must name a kind')
      .max(NOTICE_KINDS.length, 'names a kind twice')
      .optional()
      .meta({ description: 'Only notices of these kinds. Without it, of all kinds.' }),
    least_severity: z.enum(SEVERITIES).optional().meta({ description: 'Only notices that are at least so urgent.' }),
    connections: z
      .array(z.guid('must be the id of a connection'))
      .min(1, 'must name a connection')
      .max(MAX_CONNECTIONS, `must name at most ${MAX_CONNECTIONS} connections`)
      .optional()
      .meta({ description: 'Only notices about these connections.' }),
  })
  .meta({
    description: 'Which notices the channel takes: those that all given parts let through. Without it, all.',
    examples: [{ kinds: ['connection_trouble', 'connection_recovered'], least_severity: 'info' }],
  });

const target = {
  to: to.optional(),
  url: url.optional(),
  secret: secret.optional(),
  routing_key: routingKey.optional(),
  region: region.optional(),
};

/** The body of POST /v1/channels. */
export const newChannel = z
  .strictObject({
    name,
    kind: z.enum(CHANNEL_KINDS).meta({
      description:
        'Decides which of the other fields it needs: `email` needs `to`, `slack` and `teams` need `url`, `webhook` needs `url` and `secret`, `pagerduty` needs `routing_key` and takes `region`.',
      examples: ['email'],
    }),
    ...target,
    subscriptions: subscriptions.optional(),
  })
  .meta({ id: 'NewChannel' });

/** The body of PATCH /v1/channels/{id}. */
export const channelChange = z
  .strictObject({
    name: name.optional(),
    ...target,
    subscriptions: subscriptions.optional(),
    enabled: z.boolean().optional().meta({
      description:
        'False stops the channel: no notice goes to it, and what waits for it ends. True lets it go on, also after its address said that it is gone.',
    }),
  })
  .meta({ id: 'ChannelChange' });

/** The query of GET /v1/channels. */
export const channelsQuery = z.strictObject(pageQuery);

const kind = z.enum(CHANNEL_KINDS);

/** A channel in replies, without its secrets. */
export const channel = z
  .strictObject({
    id: uuid,
    name: z.string().meta({ examples: ['Costs team'] }),
    kind,
    target: z.string().meta({
      description:
        'The part of the target that is no secret: a mail address or their number, a host, the end of a key.',
      examples: ['hooks.example.com'],
    }),
    to: z.array(z.strictObject({ address: z.string(), unsubscribed_at: instant.nullable() })).meta({
      description: 'Of the kind `email`. Whoever unsubscribed gets no mail; give the address anew to undo it.',
    }),
    subscriptions: z
      .strictObject({
        kinds: z.array(z.enum(NOTICE_KINDS)).nullable(),
        least_severity: z.enum(SEVERITIES).nullable(),
        connections: z.array(uuid).nullable(),
      })
      .meta({ description: 'Null lets every notice through.' }),
    enabled: z.boolean(),
    disabled_reason: nullableText.meta({ description: 'Why it takes nothing, if it is disabled.' }),
    created_at: instant,
  })
  .meta({ id: 'Channel' });

/** The reply of GET /v1/channels. */
export const channelList = listOf(channel).meta({ id: 'ChannelList' });

/** A delivery in replies. */
export const delivery = z
  .strictObject({
    id: uuid,
    notice: z.strictObject({ id: uuid, kind: z.enum(NOTICE_KINDS), subject: z.string() }),
    occasion: z
      .enum(['opened', 'closed', 'withdrawn'])
      .meta({ description: 'Whether it tells that the notice opened, that it closed, or that it was wrong.' }),
    channel: z.strictObject({ id: uuid, name: z.string(), kind }),
    address: nullableText.meta({ description: 'The mail address; null for other kinds of channels.' }),
    state: z.enum(DELIVERY_STATES).meta({
      description:
        '`pending` waits for its next try, `sending` is leaving, `sent` arrived, `failed` did not. Nobody knows whether `unknown` arrived, and it is not sent again by itself. `held` was too old to be sent by itself, as after a database was restored. The last three wait until somebody has them sent again.',
    }),
    tries: wholeNumber,
    words: nullableText.meta({ description: 'What the other side said last, or why nothing was sent.' }),
    created_at: instant,
    tried_at: instant.nullable(),
    next_try_at: instant.nullable(),
    ended_at: instant.nullable(),
    workflow_id: z.string().meta({ description: "The workflow's id in Temporal." }),
  })
  .meta({ id: 'Delivery' });

/** The reply of POST /v1/channels/{id}/test. */
export const channelTest = z
  .strictObject({
    notice_id: uuid,
    deliveries: z.array(delivery).meta({ description: 'One for each address, with the words of the other side.' }),
  })
  .meta({ id: 'ChannelTest' });
