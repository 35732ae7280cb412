import { randomUUID } from 'node:crypto';
import { and, eq, inArray, isNull, sql } from 'drizzle-orm';
import { closesWhen, contentOf, type NoticeKind } from '../../domain/notices/kinds.ts';
import type { NoticeDataOf } from '../../domain/notices/data.ts';
import { takes } from '../../domain/notices/subscriptions.ts';
import type { Db } from '../core/database.ts';
import { channelAddresses, channels, deliveries, notices } from './tables.ts';

/** A notice to be written. */
export interface NewNotice<Kind extends NoticeKind> {
  readonly kind: Kind;
  /** Two notices with the same key are one. */
  readonly dedupeKey: string;
  readonly connectionId: string | null;
  readonly data: NoticeDataOf[Kind];
  /** The channels that it goes to, whatever they subscribe to. Without it, all channels that take it. */
  readonly onlyTo?: readonly string[];
}

/**
 * Writes a notice and a delivery for each address that it goes to. Belongs in the transaction that decides it, so that
 * there is neither without the other. Without channels, the notice is there and has no deliveries. Returns its id, or null
 * if a notice with its key is there already.
 */
export async function writeNotice<Kind extends NoticeKind>(tx: Db, notice: NewNotice<Kind>): Promise<string | null> {
  const { kind, dedupeKey, connectionId, data, onlyTo } = notice;
  const content = contentOf(kind, data);
  const { severity } = content;
  const id = randomUUID();
  const written = await tx
    .insert(notices)
    .values({
      id,
      kind,
      dedupeKey,
      severity,
      connectionId,
      content,
      data,
      closedAt: closesWhen(kind) === null ? sql`now()` : null,
    })
    .onConflictDoNothing({ target: notices.dedupeKey })
    .returning({ id: notices.id });
  if (written.length === 0) return null;
  const places = await enabledPlaces(tx);
  const taking = places.filter((place) =>
    onlyTo === undefined ? takes(place, { kind, severity, connectionId }) : onlyTo.includes(place.channelId),
  );
  await addDeliveries(
    tx,
    taking.map(({ channelId, address }) => ({ noticeId: id, occasion: 'opened', channelId, address })),
  );
  return id;
}

/**
 * Closes a notice if it is open, and returns whether it was. Channels that show whether something is still so, which is
 * PagerDuty alone, get a delivery about the end of what they were told of.
 */
export async function closeNotice(tx: Db, noticeId: string): Promise<boolean> {
  const closed = await tx
    .update(notices)
    .set({ closedAt: sql`greatest(now(), ${notices.openedAt})` })
    .where(and(eq(notices.id, noticeId), isNull(notices.closedAt), isNull(notices.withdrawnAt)))
    .returning({ id: notices.id });
  if (closed.length === 0) return false;
  const told = await tx
    .select({ channelId: deliveries.channelId, address: deliveries.address })
    .from(deliveries)
    .innerJoin(channels, eq(channels.id, deliveries.channelId))
    .where(and(eq(deliveries.noticeId, noticeId), eq(channels.kind, 'pagerduty'), eq(deliveries.occasion, 'opened')));
  await addDeliveries(
    tx,
    told.map((to) => ({ ...to, noticeId, occasion: 'closed' })),
  );
  return true;
}

/**
 * Withdraws a notice that proved to be wrong, for a reason in one sentence, and returns whether it was not withdrawn before.
 * Everybody who was told of it, or is about to be, is told so once, and nobody else. A notice that has closed since can be
 * withdrawn, too. Belongs in the transaction that decides it.
 */
export async function withdrawNotice(tx: Db, noticeId: string, reason: string): Promise<boolean> {
  const withdrawn = await tx
    .update(notices)
    .set({ closedAt: null, withdrawnAt: sql`greatest(now(), ${notices.openedAt})`, withdrawnReason: reason })
    .where(and(eq(notices.id, noticeId), isNull(notices.withdrawnAt)))
    .returning({ id: notices.id });
  if (withdrawn.length === 0) return false;
  const told = await tx
    .select({ channelId: deliveries.channelId, address: deliveries.address })
    .from(deliveries)
    .where(
      and(
        eq(deliveries.noticeId, noticeId),
        eq(deliveries.occasion, 'opened'),
        inArray(deliveries.state, ['pending', 'sending', 'sent', 'unknown']),
      ),
    )
    .orderBy(deliveries.no);
  await addDeliveries(
    tx,
    told.map((to) => ({ ...to, noticeId, occasion: 'withdrawn' })),
  );
  return true;
}

/** Closes every open notice about a connection. */
export async function closeNoticesOf(tx: Db, connectionId: string): Promise<void> {
  const open = await tx
    .select({ id: notices.id })
    .from(notices)
    .where(and(eq(notices.connectionId, connectionId), isNull(notices.closedAt), isNull(notices.withdrawnAt)));
  for (const { id } of open) await closeNotice(tx, id);
}

const KINDS_OF_LEDGER: readonly NoticeKind[] = ['connected', 'day_flagged', 'restated', 'anomaly'];

/** Deletes the notices that say something of what was read for a connection, and their deliveries. */
export async function deleteNoticesOfLedger(tx: Db, connectionId: string): Promise<void> {
  await tx.delete(notices).where(and(eq(notices.connectionId, connectionId), inArray(notices.kind, KINDS_OF_LEDGER)));
}

type Place = Parameters<typeof takes>[0] & { readonly channelId: string; readonly address: string };

/** Every address of every channel that is neither deleted nor disabled, in the order in which they were made. */
async function enabledPlaces(tx: Db): Promise<Place[]> {
  const found = await tx
    .select({
      channelId: channels.id,
      kind: channels.kind,
      subscriptions: channels.subscriptions,
      address: channelAddresses.address,
      unsubscribedAt: channelAddresses.unsubscribedAt,
    })
    .from(channels)
    .leftJoin(channelAddresses, eq(channelAddresses.channelId, channels.id))
    .where(and(isNull(channels.deletedAt), isNull(channels.disabledAt)))
    .orderBy(channels.no, channelAddresses.no);
  return found.flatMap(({ address, unsubscribedAt, ...place }) => {
    if (place.kind !== 'email') return [{ ...place, address: place.channelId }];
    return address === null || unsubscribedAt !== null ? [] : [{ ...place, address }];
  });
}

async function addDeliveries(
  tx: Db,
  to: readonly Pick<typeof deliveries.$inferInsert, 'noticeId' | 'occasion' | 'channelId' | 'address'>[],
): Promise<void> {
  if (to.length === 0) return;
  // An address that is in two channels is told once, by the older one.
  await tx
    .insert(deliveries)
    .values(to.map((delivery) => ({ id: randomUUID(), ...delivery })))
    .onConflictDoNothing();
}
