import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import { MAX_ATTEMPTS } from '../domain/reading.ts';

/** Temporal takes 200 bytes for a summary. */
export const MAX_SUMMARY_LENGTH = 190;

/** Short work in Postgres. Nothing can go on without it, so it is retried until Postgres answers. */
export const POSTGRES: ActivityOptions = {
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '500 milliseconds', maximumInterval: '10 seconds' },
};

/**
 * One transaction over what is stored. It is tried for a minute or so; then the workflow fails, with why in words, and the
 * keeper starts another one.
 */
export const ASSESSING: ActivityOptions = {
  startToCloseTimeout: '2 minutes',
  retry: { initialInterval: '1 second', maximumInterval: '20 seconds', maximumAttempts: 6 },
};

/**
 * Deleting years of days may take long. It is one transaction, so an attempt that is cut off did nothing. Heartbeats tell
 * within seconds that a worker died: a disconnect that destroys keys must not wait an hour for that.
 */
export const DELETION: ActivityOptions = {
  ...POSTGRES,
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '15 seconds',
};

/**
 * One question to Anthropic. Short failures are retried here. After that the connection shows the
 * failure and waits with its own, longer backoff. A rate limit brings its own delay.
 */
export const QUESTION: ActivityOptions = {
  startToCloseTimeout: '5 minutes',
  // Workers heartbeat every two seconds, so a dead worker is noticed soon, and another one goes on.
  heartbeatTimeout: '15 seconds',
  // A cancelled sync ends only when none of its activities reads or writes any more. Then its data may be deleted.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumInterval: '30 seconds',
    maximumAttempts: MAX_ATTEMPTS,
  },
};

/**
 * Asks Anthropic to which organization a key belongs, which is one small reply. The connection decides nothing else
 * meanwhile, so a server that does not answer delays a pause or a disconnect by about half a minute at most.
 */
export const KEY_QUESTION: ActivityOptions = {
  ...QUESTION,
  startToCloseTimeout: '10 seconds',
};

/** Reads many days. It may take long and commits as it goes, so only missing heartbeats count as a failure. */
export const LONG_READ: ActivityOptions = {
  ...QUESTION,
  startToCloseTimeout: '2 hours',
};

/**
 * One try to send a message, which the door ends within three minutes for a mail and one for anything else; what came of
 * it takes a moment to store, also where Postgres is away. The workflow itself waits between tries, so what is retried here
 * is only a worker that died, or a Postgres that is away. A dead worker is noticed by its heartbeats.
 */
export const SENDING: ActivityOptions = {
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '15 seconds',
  // A cancelled delivery ends only once it is known whether the message left.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
};
