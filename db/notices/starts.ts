import { and, eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { mayResend, type DeliveryState } from '../../domain/notices/deliveries.ts';
import { numberArray, rows, type Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { channels, deliveries } from './tables.ts';

/** A delivery whose workflow is to be started. */
export interface ToStart {
  readonly id: string;
  /** Whether a person had it sent again, so that an earlier run of its workflow does not stand for it. */
  readonly isAnew: boolean;
  /** What the Temporal UI lists it as. */
  readonly summary: string;
}

const AT_ONCE = 1_000;

/** The deliveries that no workflow has looked at yet, of the last minute: somebody wrote them just now. */
export async function listNewDeliveries(db: Db): Promise<ToStart[]> {
  return listToStart(db, sql`d.begun_at is null and d.queued_at > now() - interval '1 minute'`);
}

const OVERDUE_SECONDS = 10;
/** For one that no workflow has looked at yet, while others are sent: it may wait for its turn behind hundreds. */
const OVERDUE_BEHIND_OTHERS_SECONDS = 60;

/** Whether something was sent just now. */
const OTHERS_ARE_SENT = sql`
  exists (
    select from (select ended_at from deliveries where state = 'sent' order by no desc limit 1000) latest
    where ended_at > now() - make_interval(secs => ${OVERDUE_SECONDS})
  )
`;

/**
 * The deliveries that nothing happened to for ten seconds, though it should have: their workflows may be gone. Those that no
 * workflow has looked at yet have a minute while others are sent. Without those with these ids.
 */
export async function listOverdueDeliveries(db: Db, except: readonly string[]): Promise<ToStart[]> {
  return listToStart(
    db,
    sql`
      d.id <> all(${numberArray('uuid', except)})
      and case when d.begun_at is null then d.queued_at else greatest(d.queued_at, d.next_try_at, d.tried_at) end
        < now() - make_interval(secs => ${OVERDUE_SECONDS})
      and (
        d.begun_at is not null
        or d.queued_at < now() - make_interval(secs => ${OVERDUE_BEHIND_OTHERS_SECONDS})
        or not ${OTHERS_ARE_SENT}
      )
    `,
  );
}

async function listToStart(db: Db, which: ReturnType<typeof sql>): Promise<ToStart[]> {
  return rows(
    db,
    z.object({ id: z.string(), isAnew: z.boolean(), summary: z.string() }),
    sql`
      select d.id, d.resends > 0 and d.begun_at is null as "isAnew",
        c.name || ': ' || (n.content ->> 'subject') as summary
      from deliveries d join channels c on c.id = d.channel_id join notices n on n.id = d.notice_id
      where d.state in ('pending', 'sending') and ${which}
      order by d.no
      limit ${AT_ONCE}
    `,
  );
}

const ENDED_ELSEWHERE =
  'Temporal has ended a workflow of this delivery already: this database was restored, or somebody terminated the workflow. It waits until somebody has it sent.';

/**
 * Lets a delivery wait for a person, since a workflow of it has ended already and Postgres does not know how. Returns
 * whether it did: the workflow may have recorded its end meanwhile.
 */
export async function holdDelivery(db: Db, id: string): Promise<boolean> {
  const held = await db
    .update(deliveries)
    .set({ state: 'held', words: ENDED_ELSEWHERE, endedAt: sql`clock_timestamp()`, nextTryAt: null })
    .where(and(eq(deliveries.id, id), eq(deliveries.state, 'pending')))
    .returning({ id: deliveries.id });
  if (held.length > 0) return true;
  // Its message was just leaving.
  const lost = await db
    .update(deliveries)
    .set({ state: 'unknown', words: ENDED_ELSEWHERE, endedAt: sql`clock_timestamp()` })
    .where(and(eq(deliveries.id, id), eq(deliveries.state, 'sending')))
    .returning({ id: deliveries.id });
  return lost.length > 0;
}

/** What became of a request to send a delivery again. */
export type Resending =
  | { readonly outcome: 'queued' | 'unknown' | 'channel_deleted' }
  | { readonly outcome: 'refused'; readonly state: DeliveryState };

/** Queues a delivery that ended without being sent once more, for a day, and records who asked. */
export async function resendDelivery(db: Db, id: string, actor: string): Promise<Resending> {
  return db.transaction(async (tx) => {
    const [found] = await tx
      .select({ state: deliveries.state, deletedAt: channels.deletedAt, channel: channels.name })
      .from(deliveries)
      .innerJoin(channels, eq(channels.id, deliveries.channelId))
      .where(eq(deliveries.id, id))
      .for('no key update', { of: deliveries });
    if (found === undefined) return { outcome: 'unknown' };
    if (!mayResend(found.state)) return { outcome: 'refused', state: found.state };
    if (found.deletedAt !== null) return { outcome: 'channel_deleted' };
    await tx
      .update(deliveries)
      .set({
        state: 'pending',
        queuedAt: sql`clock_timestamp()`,
        begunAt: null,
        failures: 0,
        resends: sql`${deliveries.resends} + 1`,
        endedAt: null,
        endedBy: null,
      })
      .where(eq(deliveries.id, id));
    const message = `The delivery ${id} to the channel "${found.channel}" is sent again; it was ${found.state}.`;
    await addDeploymentEvent(tx, { type: 'delivery_resent', actor, message });
    return { outcome: 'queued' };
  });
}
