import { and, eq, inArray, or, sql } from 'drizzle-orm';
import type { Json } from '../../domain/lines.ts';
import type { NoticeContent } from '../../domain/notices/content.ts';
import {
  OLD_AFTER_MS,
  isUnderWay,
  knowsRepetitions,
  mayResend,
  takesTurns,
  waitBeforeNextTry,
  type ChannelKind,
  type DeliveryState,
} from '../../domain/notices/deliveries.ts';
import type { Db } from '../core/database.ts';
import { disableGone } from './channels.ts';
import { wordsOf } from './ends.ts';
import { channelAddresses, channels, deliveries, notices, type Occasion } from './tables.ts';
import { leaveTurn, takeTurn } from './turns.ts';

/** What people are shown of a delivery while a workflow works on it. */
export interface DeliveryShown {
  readonly channel: string;
  readonly kind: ChannelKind;
  readonly subject: string;
  readonly state: DeliveryState;
  readonly tries: number;
  readonly words: string | null;
}

/** A try that may send. `tries` is its number: an older one changes nothing any more. */
export interface Attempt {
  readonly deliveryId: string;
  readonly tries: number;
  readonly channelId: string;
  readonly kind: ChannelKind;
  readonly sealed: Buffer | null;
  readonly encryptionKeyId: string | null;
  readonly address: string;
  readonly occasion: Occasion;
  /** When the notice opened, closed or was withdrawn, whichever this delivery tells. */
  readonly at: Date;
  readonly notice: {
    readonly id: string;
    readonly dedupeKey: string;
    readonly content: NoticeContent;
    readonly data: Json;
    /** Null if it was not withdrawn. */
    readonly withdrawnReason: string | null;
  };
}

/** What is next for a delivery: to send it, to wait for the turn of its channel, or nothing. */
export type Claim =
  | { readonly next: 'send'; readonly attempt: Attempt; readonly shown: DeliveryShown }
  | { readonly next: 'wait'; readonly waitMs: number; readonly shown: DeliveryShown }
  | { readonly next: 'nothing'; readonly shown: DeliveryShown | null };

/** Who asks: a run of a delivery's workflow, and whether it has just begun. `nowMs` is the workflow's time. */
export interface Claimant {
  readonly runId: string;
  readonly isStart: boolean;
  readonly nowMs: number;
}

/**
 * Takes the next try of a delivery. One that was sent is never sent again. One that ended otherwise is taken up only by a
 * run that began after its end, which is one that a person reset. Null shown: the delivery does not exist any more.
 */
export async function claimDelivery(db: Db, deliveryId: string, claimant: Claimant): Promise<Claim> {
  return db.transaction(async (tx) => {
    const found = await lockDelivery(tx, deliveryId);
    if (found === null) return { next: 'nothing', shown: null };
    const { delivery, channel, notice } = found;
    const shown = { channel: channel.name, kind: channel.kind, subject: notice.content.subject };
    const over = async (state: DeliveryState, words: string | null): Promise<Claim> => {
      await tx
        .update(deliveries)
        .set({ state, words, endedAt: sql`now()`, endedBy: claimant.runId, nextTryAt: null, begunAt: begun })
        .where(eq(deliveries.id, deliveryId));
      return { next: 'nothing', shown: { ...shown, state, tries: delivery.tries, words } };
    };
    const isRevived = mayRevive(delivery, claimant);
    if (!isUnderWay(delivery.state) && !isRevived) {
      return { next: 'nothing', shown: { ...shown, ...delivery } };
    }
    if (delivery.state === 'sending' && !knowsRepetitions(channel.kind)) return over('unknown', LOST_IN_SENDING);
    const obstacle = await obstacleOf(tx, found);
    if (obstacle !== null) return over('failed', obstacle);
    const ageMs = claimant.nowMs - delivery.queuedAt.getTime();
    if (!isRevived && claimant.isStart && ageMs > OLD_AFTER_MS) return over('held', OLD);
    const waitMs = await waitForTurn(tx, found);
    if (waitMs !== null) {
      await tx.update(deliveries).set({ begunAt: begun }).where(eq(deliveries.id, deliveryId));
      return { next: 'wait', waitMs, shown: { ...shown, ...delivery } };
    }
    const tries = delivery.tries + 1;
    await tx
      .update(deliveries)
      .set({
        state: 'pending',
        tries,
        begunAt: begun,
        triedAt: sql`clock_timestamp()`,
        nextTryAt: null,
        ...(isRevived ? { endedAt: null, endedBy: null, queuedAt: new Date(claimant.nowMs), failures: 0 } : {}),
      })
      .where(eq(deliveries.id, deliveryId));
    const { address, occasion, createdAt: at } = delivery;
    const { id: channelId, kind, sealed, encryptionKeyId } = channel;
    const attempt = { deliveryId, tries, channelId, kind, sealed, encryptionKeyId, address, occasion, at, notice };
    return { next: 'send', attempt, shown: { ...shown, state: 'pending', tries, words: delivery.words } };
  });
}

const begun = sql`coalesce(${deliveries.begunAt}, clock_timestamp())`;
const LOST_IN_SENDING =
  'Meterline stopped while it sent this, so nobody knows whether it arrived. It is not sent again on its own.';
const OLD =
  'It was written more than a day before anybody could send it, perhaps in a restored database. It waits until somebody has it sent.';

/** What is locked for a try. */
type Found = Awaited<ReturnType<typeof lockDelivery>> & object;

async function lockDelivery(tx: Db, deliveryId: string) {
  const [found] = await tx
    .select({
      delivery: {
        id: deliveries.id,
        no: deliveries.no,
        state: deliveries.state,
        tries: deliveries.tries,
        words: deliveries.words,
        address: deliveries.address,
        occasion: deliveries.occasion,
        queuedAt: deliveries.queuedAt,
        createdAt: deliveries.createdAt,
        endedBy: deliveries.endedBy,
      },
      channel: {
        id: channels.id,
        name: channels.name,
        kind: channels.kind,
        sealed: channels.sealed,
        encryptionKeyId: channels.encryptionKeyId,
        deletedAt: channels.deletedAt,
        disabledReason: channels.disabledReason,
      },
      notice: {
        id: notices.id,
        dedupeKey: notices.dedupeKey,
        content: notices.content,
        data: notices.data,
        withdrawnReason: notices.withdrawnReason,
      },
    })
    .from(deliveries)
    .innerJoin(channels, eq(channels.id, deliveries.channelId))
    .innerJoin(notices, eq(notices.id, deliveries.noticeId))
    .where(eq(deliveries.id, deliveryId))
    .for('no key update', { of: deliveries });
  return found ?? null;
}

/** Whether a person reset the workflow of a delivery that was not sent. */
function mayRevive({ state, endedBy }: Found['delivery'], { runId, isStart }: Claimant): boolean {
  return isStart && mayResend(state) && endedBy !== runId;
}

const FOR_OPENING_MS = 15_000;

/** How long a delivery waits for others (ms); null if it is its turn. */
async function waitForTurn(tx: Db, { delivery, channel, notice }: Found): Promise<number | null> {
  if (takesTurns(channel.kind)) return takeTurn(tx, channel.id, delivery);
  if (delivery.occasion === 'opened') return null;
  // Whoever learns of an end before the beginning takes the beginning for news.
  const [opening] = await tx
    .select({ id: deliveries.id })
    .from(deliveries)
    .where(
      and(
        eq(deliveries.noticeId, notice.id),
        eq(deliveries.address, delivery.address),
        eq(deliveries.occasion, 'opened'),
        inArray(deliveries.state, ['pending', 'sending']),
      ),
    );
  return opening === undefined ? null : FOR_OPENING_MS;
}

/** Why a delivery cannot be sent whatever its address answers; null if nothing is in the way. */
async function obstacleOf(tx: Db, { delivery, channel }: Found): Promise<string | null> {
  if (channel.deletedAt !== null) return 'The channel was deleted.';
  if (channel.disabledReason !== null) return wordsOf(`The channel is disabled. ${channel.disabledReason}`);
  if (channel.kind !== 'email') return null;
  const [found] = await tx
    .select({ unsubscribedAt: channelAddresses.unsubscribedAt })
    .from(channelAddresses)
    .where(
      and(
        eq(channelAddresses.channelId, channel.id),
        eq(sql`lower(${channelAddresses.address})`, delivery.address.toLowerCase()),
      ),
    );
  if (found === undefined) return 'The channel does not have this address any more.';
  return found.unsubscribedAt === null ? null : 'Whoever reads this address unsubscribed.';
}

/** This try is not the one that may send: somebody else took the delivery up since. */
export class AttemptOverError extends Error {
  override readonly name = 'AttemptOverError';
  constructor() {
    super('Another try took this delivery up, or it has ended');
  }
}

/** Commits that a message leaves now. Throws {@link AttemptOverError}, and then it must not leave. */
export async function markSending(db: Db, { deliveryId, tries }: Attempt): Promise<void> {
  const marked = await db
    .update(deliveries)
    .set({ state: 'sending' })
    .where(
      and(
        eq(deliveries.id, deliveryId),
        eq(deliveries.tries, tries),
        inArray(deliveries.state, ['pending', 'sending']),
      ),
    )
    .returning({ id: deliveries.id });
  if (marked.length === 0) throw new AttemptOverError();
}

/** How a try ended, as the door says it. */
export type Outcome =
  | { readonly state: 'sent'; readonly reply: string }
  | { readonly state: 'retry'; readonly reason: string; readonly retryAfterMs: number | null }
  | { readonly state: 'failed' | 'unknown' | 'gone'; readonly reason: string };

/**
 * Records how a try ended. Returns the state of the delivery and the wait before its next try, or null if it has ended. An
 * older try changes nothing, but for one: that what was unknown was sent after all.
 */
export async function recordOutcome(
  db: Db,
  attempt: Attempt,
  outcome: Outcome,
  { runId, nowMs }: Omit<Claimant, 'isStart'>,
): Promise<{ state: DeliveryState; words: string | null; waitMs: number | null }> {
  const { deliveryId, tries, channelId, kind } = attempt;
  return db.transaction(async (tx) => {
    const [stored] = await tx.select().from(deliveries).where(eq(deliveries.id, deliveryId)).for('no key update');
    if (stored === undefined) return { state: 'failed', words: null, waitMs: null };
    const isMine = stored.tries === tries && isUnderWay(stored.state);
    const isLateNews = stored.tries === tries && stored.state === 'unknown' && outcome.state === 'sent';
    if (!isMine && !isLateNews) return { state: stored.state, words: stored.words, waitMs: null };
    const next = nextOf(outcome, kind, stored, nowMs);
    if (outcome.state === 'gone' && kind !== 'email') await disableGone(tx, channelId, wordsOf(outcome.reason));
    await tx
      .update(deliveries)
      .set({
        state: next.state,
        words: next.words,
        ...(next.waitMs === null
          ? { endedAt: sql`clock_timestamp()`, endedBy: runId, nextTryAt: null }
          : { nextTryAt: new Date(nowMs + next.waitMs) }),
        ...(outcome.state === 'sent' ? {} : { failures: stored.failures + 1 }),
      })
      .where(eq(deliveries.id, deliveryId));
    if (takesTurns(kind))
      await leaveTurn(tx, channelId, deliveryId, 'retryAfterMs' in outcome ? outcome.retryAfterMs : null);
    return next;
  });
}

function nextOf(
  outcome: Outcome,
  kind: ChannelKind,
  { state, failures, queuedAt }: typeof deliveries.$inferSelect,
  nowMs: number,
): { state: DeliveryState; words: string; waitMs: number | null } {
  if (outcome.state === 'sent') return { state: 'sent', words: wordsOf(outcome.reply), waitMs: null };
  const disables = outcome.state === 'gone' && kind !== 'email';
  const words = wordsOf(disables ? `The channel is disabled from now on, since ${outcome.reason}` : outcome.reason);
  if (outcome.state === 'failed' || outcome.state === 'gone') return { state: 'failed', words, waitMs: null };
  // A message that never began to leave did not arrive, and one that carries an id may arrive twice.
  const mayRepeat = outcome.state === 'retry' || state === 'pending' || knowsRepetitions(kind);
  if (!mayRepeat) return { state: 'unknown', words, waitMs: null };
  const retryAfterMs = outcome.state === 'retry' ? outcome.retryAfterMs : null;
  const waitMs = waitBeforeNextTry(failures + 1, { queuedAtMs: queuedAt.getTime(), nowMs, retryAfterMs });
  if (waitMs !== null) return { state: 'pending', words, waitMs };
  return { state: 'failed', words: wordsOf(`Not delivered within a day. The last try: ${words}`), waitMs: null };
}

/** Ends a delivery whose workflow somebody cancelled. */
export async function recordCancellation(db: Db, deliveryId: string, runId: string): Promise<void> {
  await db.transaction(async (tx) => {
    const [stored] = await tx
      .select({ state: deliveries.state, channelId: deliveries.channelId })
      .from(deliveries)
      .where(eq(deliveries.id, deliveryId))
      .for('no key update');
    if (stored === undefined || !isUnderWay(stored.state)) return;
    const state = stored.state === 'sending' ? 'unknown' : 'failed';
    await tx
      .update(deliveries)
      .set({ state, words: CANCELLED, endedAt: sql`clock_timestamp()`, endedBy: runId, nextTryAt: null })
      .where(and(eq(deliveries.id, deliveryId), or(eq(deliveries.state, 'pending'), eq(deliveries.state, 'sending'))));
    await leaveTurn(tx, stored.channelId, deliveryId, null);
  });
}

const CANCELLED = 'Somebody cancelled its workflow in Temporal.';
