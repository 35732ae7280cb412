/**
 * The statuses of a connection; decide.ts draws how it moves between them. `refused` (its first key never worked) and
 * `disconnected` are ends. In `degraded` the last sync failed and is retried without anybody's help. In `awaiting_key`
 * Anthropic rejects the key.
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
 * The statuses that may follow each status. Between discovering, backfilling and active every way is open: what is
 * stored decides which of them holds, and somebody may delete what is stored (an active connection backfills again
 * after somebody deletes a day to have it read anew).
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

/** Whether a connection with this status has a workflow and holds its organization: it has not ended. */
export function isLive(status: Status): boolean {
  return TRANSITIONS[status].length > 0;
}

/** The statuses of connections that have not ended. */
export const LIVE_STATUSES = STATUSES.filter(isLive);

/**
 * The status right after history was extended: an active connection has days to backfill again. In any other status it
 * comes to them by itself.
 */
export function statusAfterExtension(status: Status): Status {
  return status === 'active' ? 'backfilling' : status;
}
