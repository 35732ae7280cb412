/**
 * The life of a connection. `refused` (the first key was never good) and `disconnected` are its ends; in
 * `degraded` the last sync failed and is retried on its own; in `awaiting_key` the key was rejected.
 */
export const STATUSES = [
  'validating',
  'discovering',
  'backfilling',
  'active',
  'degraded',
  'awaiting_key',
  'paused',
  'refused',
  'disconnected',
] as const;
/** One of {@link STATUSES}. */
export type Status = (typeof STATUSES)[number];

/**
 * From each status, the ones that may follow. Staying is always allowed and is no transition. Between discovering,
 * backfilling and active every way is open: which of them holds is read off what is stored, and what is stored may be
 * lost (a day that was deleted to have it read again makes an active connection backfill).
 */
export const TRANSITIONS: Readonly<Record<Status, readonly Status[]>> = {
  validating: ['discovering', 'refused', 'paused', 'disconnected'],
  discovering: ['backfilling', 'active', 'degraded', 'awaiting_key', 'paused', 'disconnected'],
  backfilling: ['discovering', 'active', 'degraded', 'awaiting_key', 'paused', 'disconnected'],
  active: ['discovering', 'backfilling', 'degraded', 'awaiting_key', 'paused', 'disconnected'],
  degraded: ['discovering', 'backfilling', 'active', 'awaiting_key', 'paused', 'disconnected'],
  awaiting_key: ['discovering', 'backfilling', 'active', 'degraded', 'paused', 'disconnected'],
  paused: ['validating', 'discovering', 'backfilling', 'active', 'degraded', 'awaiting_key', 'disconnected'],
  refused: [],
  disconnected: [],
};

/** Whether a connection may go from one status to another. */
export function mayFollow(from: Status, to: Status): boolean {
  return TRANSITIONS[from].includes(to);
}

/** Whether the connection has not ended: it has a workflow, and holds its organization. */
export function isLive(status: Status): boolean {
  return TRANSITIONS[status].length > 0;
}

/** The statuses of connections that have not ended. */
export const LIVE_STATUSES = STATUSES.filter(isLive);
