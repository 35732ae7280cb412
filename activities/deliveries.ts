import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { databaseFailure } from '../db/core/database.ts';
import { SecretUnreadableError } from '../db/keys/key-ring.ts';
import {
  AttemptOverError,
  claimDelivery,
  markSending,
  recordCancellation,
  recordOutcome,
  type Attempt,
  type Claimant,
  type DeliveryShown,
} from '../db/notices/attempts.ts';
import { openTarget } from '../db/notices/channels.ts';
import { unsubscribeToken } from '../db/notices/unsubscribe-token.ts';
import { withdrawn } from '../domain/notices/content.ts';
import type { Message, Outcome, Target } from '../notify/delivery.ts';
import type { Dependencies } from './dependencies.ts';
import { runIdOfThisActivity, whileHeartbeating } from './reading.ts';

export type { DeliveryShown } from '../db/notices/attempts.ts';

/** What one look at a delivery came to. */
export interface DeliveryStep {
  /** Null if the delivery does not exist any more. */
  readonly shown: DeliveryShown | null;
  /** How long until the next look (ms); null if the delivery has ended. */
  readonly waitMs: number | null;
}

/** What the `delivery` workflow asks of the outside world. */
export interface DeliveryActivities {
  /**
   * Sends a delivery once, if it is its turn, and records what came of it. A delivery that was sent is never sent again,
   * and neither is one that an earlier attempt may have sent, unless its receiver knows repetitions.
   */
  deliver(input: { deliveryId: string; isStart: boolean; nowMs: number }): Promise<DeliveryStep>;
  /** Ends a delivery whose workflow somebody cancelled. */
  cancelDelivery(input: { deliveryId: string }): Promise<void>;
}

const LOOK_AGAIN_MS = 1_000;

type Deps = Pick<Dependencies, 'db' | 'ring' | 'door' | 'publicUrl'>;

/** Makes the activities of the `delivery` workflow. */
export function createDeliveryActivities(deps: Deps): DeliveryActivities {
  const { db } = deps;
  return {
    async deliver({ deliveryId, isStart, nowMs }) {
      const claimant: Claimant = { runId: runIdOfThisActivity(), isStart, nowMs };
      const claim = await claimDelivery(db, deliveryId, claimant);
      if (claim.next === 'nothing') return { shown: claim.shown, waitMs: null };
      if (claim.next === 'wait') return { shown: claim.shown, waitMs: claim.waitMs };
      const { attempt, shown } = claim;
      return whileHeartbeating(async () => {
        const outcome = await send(deps, attempt);
        // The next look says who took it up.
        if (outcome === null) return { shown, waitMs: LOOK_AGAIN_MS };
        const { waitMs, state, words } = await insist(() => recordOutcome(db, attempt, outcome, claimant));
        return { shown: { ...shown, state, words }, waitMs };
      });
    },

    cancelDelivery: ({ deliveryId }) => recordCancellation(db, deliveryId, runIdOfThisActivity()),
  };
}

/** Sends a message. Null if another try took the delivery up before it left. */
async function send(deps: Deps, attempt: Attempt): Promise<Outcome | null> {
  let target: Target | null = null;
  try {
    target = targetOf(deps, attempt);
    const outcome = await deps.door.tell(target, messageOf(deps, attempt), {
      signal: Context.current().cancellationSignal,
      beforeBody: () => markSending(deps.db, attempt),
    });
    return withoutSecrets(outcome, target);
  } catch (error) {
    if (error instanceof AttemptOverError) return null;
    if (error instanceof SecretUnreadableError) return { state: 'retry', reason: UNREADABLE, retryAfterMs: null };
    // Its name only: the message of an error may quote what was sent.
    Context.current().log.warn('the door failed', { state: error instanceof Error ? error.name : 'unknown' });
    // Whether the message had begun to leave, Postgres knows.
    return { state: 'unknown', reason: databaseFailure(error)?.message ?? UNEXPECTED };
  }
}

const UNREADABLE =
  'The secret of the channel does not open. Put the encryption key that it was stored under back into METERLINE_ENCRYPTION_KEYS and restart, or give the channel its target again.';
const UNEXPECTED = 'Meterline failed because of a defect of its own; the log of the worker says more.';

function targetOf({ ring }: Deps, { channelId, kind, address, sealed, encryptionKeyId }: Attempt): Target {
  if (kind === 'email') return { kind, address };
  if (sealed === null || encryptionKeyId === null) throw new Error('the channel has no secret');
  return openTarget(ring, channelId, kind, { sealed, encryptionKeyId });
}

function messageOf({ ring, publicUrl }: Deps, attempt: Attempt): Message {
  const { deliveryId, channelId, kind, address, occasion, at, notice } = attempt;
  const token = kind === 'email' ? unsubscribeToken(ring, { channelId, address }) : null;
  return {
    deliveryId,
    noticeId: notice.id,
    dedupeKey: notice.dedupeKey,
    atMs: at.getTime(),
    ...wordsOf(attempt),
    isClosed: occasion !== 'opened',
    unsubscribeUrl: token === null ? null : `${publicUrl}/unsubscribe/${token}`,
    publicUrl,
  };
}

/** What a notice says, or that it was wrong. */
function wordsOf({ occasion, notice }: Attempt): Pick<Message, 'content' | 'data'> {
  const { content, data, withdrawnReason } = notice;
  if (occasion !== 'withdrawn' || withdrawnReason === null) return { content, data };
  return { content: withdrawn(content, withdrawnReason), data: { notice: data, withdrawn: withdrawnReason } };
}

/** Other sides echo what they were sent, and their words are stored and shown. */
function withoutSecrets(outcome: Outcome, target: Target): Outcome {
  const secrets = secretsOf(target);
  const clean = (text: string): string => secrets.reduce((left, secret) => left.replaceAll(secret, '…'), text);
  return outcome.state === 'sent'
    ? { ...outcome, reply: clean(outcome.reply) }
    : { ...outcome, reason: clean(outcome.reason) };
}

function secretsOf(target: Target): string[] {
  switch (target.kind) {
    case 'email':
      return [];
    case 'slack':
    case 'teams':
      return [target.url, pathOf(target.url)];
    case 'webhook':
      return [
        target.url,
        pathOf(target.url),
        ...target.secrets.flatMap((secret) => [secret, secret.slice('whsec_'.length)]),
      ];
    case 'pagerduty':
      return [target.routingKey];
  }
}

/** The part of an address that a server sees, if it is long enough to be a secret. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  const path = pathname + search;
  return path.length >= 8 ? path : url;
}

const INSIST_TIMES = 20;
const INSIST_MS = 1_000;

/** What was sent must be stored as sent, so a Postgres that is away for a moment is asked again. */
async function insist<T>(record: () => Promise<T>): Promise<T> {
  for (let times = 1; ; times += 1) {
    try {
      return await record();
    } catch (error) {
      if (databaseFailure(error)?.unavailable !== true || times === INSIST_TIMES) throw error;
      await sleep(INSIST_MS);
    }
  }
}
