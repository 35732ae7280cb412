import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';

/** Work in Postgres alone: short, and retried until Postgres answers, since nothing can go on without it. */
export const POSTGRES: ActivityOptions = {
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '500 milliseconds', maximumInterval: '10 seconds' },
};

/**
 * Deleting years of days takes as long as it takes; it is one transaction, so a try that is cut off did nothing. Only
 * its silence tells that the process died, and a disconnect that destroys keys must not wait an hour for that.
 */
export const DELETION: ActivityOptions = {
  ...POSTGRES,
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '15 seconds',
};

/**
 * One question to Anthropic. Blips are retried here; then the caller says so where people see it, and waits with its
 * own, longer backoff. Failures of a rate limit bring their own delay.
 */
export const QUESTION: ActivityOptions = {
  startToCloseTimeout: '5 minutes',
  // Many times the interval of heartbeats; a worker that is gone is noticed by it, and another one goes on.
  heartbeatTimeout: '15 seconds',
  // A sync that is cancelled is over only once nothing of it reads or writes any more: then its data may be deleted.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds', maximumAttempts: 3 },
};

/**
 * The question whose a key is: one small reply. Meanwhile nothing else is decided, so that a server which says nothing
 * holds up a pause or a disconnect for about half a minute.
 */
export const KEY_QUESTION: ActivityOptions = {
  ...QUESTION,
  startToCloseTimeout: '10 seconds',
};

/** Reading many days. It may be long, and commits as it goes, so only silence is a fault. */
export const LONG_READ: ActivityOptions = {
  ...QUESTION,
  startToCloseTimeout: '2 hours',
};
