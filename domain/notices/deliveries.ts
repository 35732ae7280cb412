import { HOUR_MS, DAY_MS } from '../days.ts';

/** The kinds of channels. */
export const CHANNEL_KINDS = ['email', 'slack', 'teams', 'webhook', 'pagerduty'] as const;
/** One of {@link CHANNEL_KINDS}. */
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/**
 * The states of a delivery, which is one notice to one address:
 *
 *     pending -> sending -> sent | unknown | failed
 *
 * `sending` is committed just before the message leaves, so whoever finds it later can't know whether it arrived. A
 * delivery is `held` if it was old already when its workflow began: it may come from a restored database, so a person
 * decides.
 */
export const DELIVERY_STATES = ['pending', 'sending', 'sent', 'unknown', 'failed', 'held'] as const;
/** One of {@link DELIVERY_STATES}. */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/**
 * The states that may follow each state. `sending` returns to `pending` where the other side asks for another try. An
 * `unknown` delivery becomes `sent` if the answer comes after all. A person brings the ends but `sent` back to `pending`.
 */
export const DELIVERY_TRANSITIONS: Readonly<Record<DeliveryState, readonly DeliveryState[]>> = {
  pending: ['sending', 'failed', 'held'],
  sending: ['sent', 'pending', 'failed', 'unknown'],
  sent: [],
  unknown: ['pending', 'sent'],
  failed: ['pending'],
  held: ['pending'],
};

/** Whether a delivery may go from one state to another. */
export function mayDeliveryBecome(from: DeliveryState, to: DeliveryState): boolean {
  return DELIVERY_TRANSITIONS[from].includes(to);
}

/** Whether a workflow works on a delivery in this state, or should. */
export function isUnderWay(state: DeliveryState): boolean {
  return state === 'pending' || state === 'sending';
}

/** Whether a person may have a delivery in this state sent again. */
export function mayResend(state: DeliveryState): boolean {
  return !isUnderWay(state) && mayDeliveryBecome(state, 'pending');
}

/**
 * Whether a channel takes the same message twice without telling it twice: its messages carry an id by which the receiver
 * knows a repetition.
 */
export function knowsRepetitions(kind: ChannelKind): boolean {
  return kind === 'webhook' || kind === 'pagerduty';
}

/** Whether a channel gets one message at a time: chats limit how fast they take them, and order matters to readers. */
export function takesTurns(kind: ChannelKind): boolean {
  return kind === 'slack' || kind === 'teams';
}

const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = HOUR_MS;
/** A delivery is tried for this long. */
export const TRIES_LAST_MS = DAY_MS;
/** A delivery that is this old when its workflow begins waits for a person. */
export const OLD_AFTER_MS = DAY_MS;

/**
 * The wait (ms) before the next try, given how many tries failed in a row: 5 seconds, doubling to an hour, and no less
 * than the other side asks for. Null if the next try would begin more than a day after the delivery was queued.
 */
export function waitBeforeNextTry(
  failures: number,
  { queuedAtMs, nowMs, retryAfterMs }: { queuedAtMs: number; nowMs: number; retryAfterMs: number | null },
): number | null {
  const ownMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));
  const waitMs = Math.max(ownMs, retryAfterMs ?? 0);
  return nowMs + waitMs - queuedAtMs > TRIES_LAST_MS ? null : waitMs;
}
