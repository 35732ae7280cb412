import type { Message } from '../delivery.ts';
import { addressOf, cut, line, shown, type Limits } from '../text.ts';

/** PagerDuty's limits: characters of the summary and of the key of an incident, bytes of an event. */
export const PAGERDUTY_LIMITS = { summary: 1_024, dedupKey: 255, bytes: 512 * 1024 } as const;

interface Link {
  readonly href: string;
  readonly text: string;
}

/** An event of PagerDuty's Events API v2. */
export type PagerDutyEvent =
  | { readonly routing_key: string; readonly event_action: 'resolve'; readonly dedup_key: string }
  | {
      readonly routing_key: string;
      readonly event_action: 'trigger';
      readonly dedup_key: string;
      readonly client: 'Meterline';
      readonly client_url: string;
      readonly links: readonly Link[];
      readonly payload: {
        readonly summary: string;
        readonly source: string;
        readonly severity: 'info' | 'warning' | 'critical';
        readonly timestamp: string;
        readonly component: 'meterline';
        readonly class: string;
        readonly custom_details: Readonly<Record<string, string>>;
      };
    };

/** Tables say more than somebody on call has time for. */
const LIMITS: Limits = { facts: 40, tables: 0, columns: 0, rows: 0, cell: 500, subject: 500, sentence: 2_000 };

/** Makes the event that opens an incident, or closes it. */
export function pagerDutyEvent(message: Message, routingKey: string): PagerDutyEvent {
  const { content, dedupeKey, isClosed, atMs, publicUrl } = message;
  const common = { routing_key: routingKey, dedup_key: cut(line(dedupeKey, 1_000), PAGERDUTY_LIMITS.dedupKey) };
  if (isClosed) return { ...common, event_action: 'resolve' };
  const { kind, severity, subject, sentence, action, facts, link } = shown(content, LIMITS);
  const details: [string, string][] = [
    ['What happened', sentence],
    ...(action === null ? [] : [['What to do', action] satisfies [string, string]]),
    ...facts.map(({ label, value }): [string, string] => [label, value]),
  ];
  return {
    ...common,
    event_action: 'trigger',
    client: 'Meterline',
    client_url: publicUrl,
    links: link === null ? [] : [{ href: addressOf(publicUrl, link.path), text: link.label }],
    payload: {
      summary: cut(subject, PAGERDUTY_LIMITS.summary),
      source: new URL(publicUrl).host,
      severity,
      timestamp: new Date(atMs).toISOString(),
      component: 'meterline',
      class: kind,
      custom_details: Object.fromEntries(details),
    },
  };
}
