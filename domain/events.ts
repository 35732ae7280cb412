/** What can happen to a connection, as events name it. */
export const CONNECTION_EVENTS = [
  'created',
  'status',
  'organization',
  'key_added',
  'key_active',
  'key_refused',
  'key_restored',
  'key_destroyed',
  'key_unanswered',
  'key_probed',
  'clock',
  'sync_failed',
  'day_flagged',
  'restatement',
  'workspaces_unread',
  'signal',
  'signal_received',
  'request',
  'renamed',
  'anomaly_feedback',
  'purged',
] as const;
/** One of {@link CONNECTION_EVENTS}. */
export type ConnectionEvent = (typeof CONNECTION_EVENTS)[number];

/** What can happen to the deployment as a whole, beside its connections. */
export const DEPLOYMENT_EVENTS = [
  'token_created',
  'token_revoked',
  'link_created',
  'session_begun',
  'session_ended',
  'session_revoked',
  'allocation_stored',
  'month_closed',
  'month_reopened',
  'channel_created',
  'channel_changed',
  'channel_tested',
  'channel_disabled',
  'channel_deleted',
  'channel_unsubscribed',
  'delivery_resent',
  'report_created',
  'report_changed',
  'report_deleted',
  'report_run',
  'sensitivity_set',
  'budget_created',
  'budget_changed',
  'budget_deleted',
] as const;
/** One of {@link DEPLOYMENT_EVENTS}. */
export type DeploymentEvent = (typeof DEPLOYMENT_EVENTS)[number];

/** The longest message of an event, in characters. */
export const EVENT_MESSAGE_LENGTH = 500;
