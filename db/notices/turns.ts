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
  const { before, stoppedMs } = await row(
    tx,
    z.object({ before: z.int(), stoppedMs: z.number() }),
    sql`
      select
        (
          select count(*)::int from deliveries d
          where d.channel_id = c.id and d.state = 'pending' and d.no < ${delivery.no}
            and (d.next_try_at is null or d.next_try_at <= now())
        ) as before,
        (greatest(0, extract(epoch from c.turn_until - now())) * 1000)::float8 as "stoppedMs"
      from channels c where c.id = ${channelId}
    `,
  );
  return Math.min(
    LONGEST_MS,
    Math.max(PER_MESSAGE_MS, Math.min(PER_MESSAGE_MS * before, stoppedMs + PER_MESSAGE_MS * before)),
  );
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
