import { SEVERITIES, type Severity } from './content.ts';
import type { ChannelKind } from './deliveries.ts';
import type { NoticeKind } from './kinds.ts';

/** Which notices a channel takes. Each part that is null lets every notice through. */
export interface Subscriptions {
  readonly kinds: readonly NoticeKind[] | null;
  readonly leastSeverity: Severity | null;
  /** Ids. With these, the channel takes no notice that is about no connection. */
  readonly connections: readonly string[] | null;
}

/** Every notice. */
export const EVERYTHING: Subscriptions = { kinds: null, leastSeverity: null, connections: null };

/** The parts of a notice that decide who takes it. */
export interface Addressed {
  readonly kind: NoticeKind;
  readonly severity: Severity;
  readonly connectionId: string | null;
}

/**
 * Whether a channel takes a notice. PagerDuty is told of an end by closing what it was told of, so it takes no notice
 * that a connection recovered, which would open an incident.
 */
export function takes(channel: { kind: ChannelKind; subscriptions: Subscriptions }, notice: Addressed): boolean {
  const { kinds, leastSeverity, connections } = channel.subscriptions;
  if (channel.kind === 'pagerduty' && notice.kind === 'connection_recovered') return false;
  return (
    (kinds === null || kinds.includes(notice.kind)) &&
    (leastSeverity === null || SEVERITIES.indexOf(notice.severity) >= SEVERITIES.indexOf(leastSeverity)) &&
    (connections === null || (notice.connectionId !== null && connections.includes(notice.connectionId)))
  );
}
