import { and, eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { row, type Db } from '../core/database.ts';
import { channels } from './tables.ts';

/** Longer than an attempt may last: whoever holds a turn for longer has died. */
const TURN_SECONDS = 180;
/** How long a delivery waits for each one before it. Chats take about one message a second. */
const PER_MESSAGE_MS = 1_000;
const LONGEST_MS = 60_000;
/** The longest that the other side may stop a channel for all. */
const LONGEST_STOP_MS = 3_600_000;

/** Takes the turn of a channel for a delivery. Returns null, or how long to wait before it asks again (ms). */
export async function takeTurn(
  tx: Db,
  channelId: string,
  delivery: { id: string; no: number },
): Promise<number | null> {
  const taken = await tx
    .update(channels)
    .set({ turn: delivery.id, turnUntil: sql`now() + make_interval(secs => ${TURN_SECONDS})` })
    .where(
      and(
        eq(channels.id, channelId),
        sql`(${channels.turn} is null or ${channels.turn} = ${delivery.id} or ${channels.turnUntil} <= now())`,
      ),
    )
    .returning({ id: channels.id });
  if (taken.length > 0) return null;
  const { before } = await row(
    tx,
    z.object({ before: z.int() }),
    sql`
      select count(*)::int as before from deliveries
      where channel_id = ${channelId} and state in ('pending', 'sending') and no < ${delivery.no}
        and (next_try_at is null or next_try_at <= now())
    `,
  );
  return Math.min(LONGEST_MS, PER_MESSAGE_MS * Math.max(1, before));
}

/** Ends the turn of a delivery, at once or once the time is over for which the other side wants nothing (ms). */
export async function leaveTurn(tx: Db, channelId: string, deliveryId: string, stopMs: number | null): Promise<void> {
  const until =
    stopMs === null ? null : sql`now() + make_interval(secs => ${Math.min(stopMs, LONGEST_STOP_MS) / 1000})`;
  await tx
    .update(channels)
    .set({ turn: until === null ? null : deliveryId, turnUntil: until })
    .where(and(eq(channels.id, channelId), eq(channels.turn, deliveryId)));
}
