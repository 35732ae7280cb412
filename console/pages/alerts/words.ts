import type { Schema } from '../../client/client.ts';
import type { Tone } from '../../parts/messages.tsx';

/** A kind of notice. */
export type NoticeKind = Schema<'Notice'>['kind'];
/** How urgent a notice is. */
export type Severity = Schema<'Notice'>['severity'];
/** Whether a notice still holds. */
export type NoticeState = Schema<'Notice'>['state'];
/** A kind of channel. */
export type ChannelKind = Schema<'Channel'>['kind'];
/** How far a delivery is. */
export type DeliveryState = Schema<'Delivery'>['state'];

/** The kinds of notices: their names, and what each one tells. */
export const NOTICE_KINDS: Readonly<Record<NoticeKind, { readonly name: string; readonly tells: string }>> = {
  connected: { name: 'Connected', tells: 'the first numbers of a connection are here' },
  connection_trouble: { name: 'Connection in trouble', tells: 'a connection cannot be read, or awaits a key' },
  connection_recovered: { name: 'Connection recovered', tells: 'a connection in trouble is read again' },
  key_rotated: { name: 'Key rotated', tells: 'Anthropic accepted another key' },
  day_flagged: { name: 'Days do not add up', tells: 'lines differ from Anthropic’s own total' },
  restated: { name: 'Restated', tells: 'Anthropic corrected days by $1 and 1 % or more' },
  anomaly: { name: 'Anomaly', tells: 'something unusual about the spend' },
  budget_threshold: { name: 'Budget threshold', tells: 'a budget has spent, or is expected to spend, what it names' },
  report: { name: 'Report', tells: 'a day, week or month is over' },
  test: { name: 'Test', tells: 'somebody tests a channel' },
};

/** How urgent a notice can be, the most urgent first. */
export const SEVERITIES: Readonly<Record<Severity, { readonly name: string; readonly tone: Tone }>> = {
  critical: { name: 'Critical', tone: 'bad' },
  warning: { name: 'Warning', tone: 'warn' },
  info: { name: 'For information', tone: 'plain' },
};

/** The states of notices. */
export const NOTICE_STATES: Readonly<Record<NoticeState, string>> = {
  open: 'Open',
  closed: 'Closed',
  withdrawn: 'Withdrawn',
};

/** What a delivery tells of its notice, beside its subject; nothing for the first telling. */
export const OCCASIONS: Readonly<Record<Schema<'Delivery'>['occasion'], string>> = {
  opened: '',
  closed: ' – that it is over',
  withdrawn: ' – that it is withdrawn',
};

/** The kinds of channels: their names, and how to get what each one needs. */
export const CHANNEL_KINDS: Readonly<Record<ChannelKind, { readonly name: string; readonly needs: string }>> = {
  email: {
    name: 'Mail',
    needs: 'Each address gets a mail of its own, with a link by which it can unsubscribe.',
  },
  slack: {
    name: 'Slack',
    needs: 'In Slack, add an incoming webhook to the channel, and paste its address here.',
  },
  teams: {
    name: 'Microsoft Teams',
    needs:
      'In Teams, open Workflows for the channel, choose the one that posts when a webhook request is received, and paste its address here.',
  },
  webhook: {
    name: 'Webhook',
    needs:
      'Each notice is a POST request by Standard Webhooks, signed with the secret. An answer of 410 disables the channel.',
  },
  pagerduty: {
    name: 'PagerDuty',
    needs:
      'In PagerDuty, add the integration Events API v2 to a service, and paste its integration key here. Each notice opens an incident, which resolves when the notice closes: better take warnings and worse only.',
  },
};

/** The states of deliveries: a word, a tone, and what it means for the reader. */
export const DELIVERY_STATES: Readonly<
  Record<DeliveryState, { readonly name: string; readonly tone: Tone; readonly means: string }>
> = {
  pending: { name: 'Waiting', tone: 'plain', means: 'It is tried by itself, for a day.' },
  sending: { name: 'Leaving', tone: 'plain', means: 'Its message is leaving just now.' },
  sent: { name: 'Sent', tone: 'good', means: 'The other side took it.' },
  unknown: {
    name: 'Unknown',
    tone: 'warn',
    means: 'The message left, and no answer came. Look whether it arrived before you send it again.',
  },
  failed: {
    name: 'Failed',
    tone: 'bad',
    means: 'It was refused, or a day of tries is over. Correct what the words name, then send it again.',
  },
  held: {
    name: 'Held',
    tone: 'warn',
    means: 'It was too old to be sent by itself, as after a database was restored.',
  },
};

/** Which notices a channel takes, as a sentence. */
export function takesText({ kinds, least_severity: least, connections }: Schema<'Channel'>['subscriptions']): string {
  const parts = [
    ...(kinds === null ? [] : [kinds.map((kind) => NOTICE_KINDS[kind].name).join(', ')]),
    ...(least === null || least === 'info' ? [] : [least === 'critical' ? 'critical only' : 'warnings and worse only']),
    ...(connections === null
      ? []
      : [connections.length === 1 ? 'of one connection' : `of ${connections.length} connections`]),
  ];
  return parts.length === 0 ? 'Takes every notice.' : `Takes ${kinds === null ? 'notices: ' : ''}${parts.join('; ')}.`;
}
