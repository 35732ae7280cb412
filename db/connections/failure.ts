import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Failure, FailureCode } from '../../domain/failures.ts';
import { LIVE_STATUSES } from '../../domain/connection/statuses.ts';
import type { Db } from '../core/database.ts';
import { connections } from '../schema.ts';
import { addEvent } from './events.ts';

/** Column values: Anthropic was not asked about the failed key since it failed. */
const NOT_PROBED = { probedAt: null, answeredAt: null, rejectedAt: null } as const;

/** Column values of a connection without a failure. */
export const NO_FAILURE = {
  failure: null,
  failureKeyId: null,
  failedAt: null,
  failureCount: 0,
  ...NOT_PROBED,
} as const;

/** Records a failure until something succeeds. The wait before the next try counts from `nowMs`. */
export async function recordFailure(
  db: Db,
  connectionId: string,
  failure: { failure: Failure; keyId: string | null; nowMs: number },
): Promise<void> {
  await db
    .update(connections)
    .set({
      failure: failure.failure,
      failureKeyId: failure.keyId,
      failedAt: new Date(failure.nowMs),
      failureCount: sql`${connections.failureCount} + 1`,
      troubledAt: sql`coalesce(${connections.troubledAt}, now())`,
      ...NOT_PROBED,
    })
    .where(and(eq(connections.id, connectionId), inArray(connections.status, LIVE_STATUSES)));
}

/** Clears the failure of a connection. */
export async function clearFailure(db: Db, connectionId: string): Promise<void> {
  await db.update(connections).set(NO_FAILURE).where(eq(connections.id, connectionId));
}

/** Records that Anthropic is being asked about the key that failed. */
export async function recordProbe(db: Db, connectionId: string, nowMs: number): Promise<void> {
  await db
    .update(connections)
    .set({ probedAt: new Date(nowMs) })
    .where(eq(connections.id, connectionId));
}

/** A key that failed, and that Anthropic was asked about since. */
export interface ProbedKey {
  readonly connectionId: string;
  readonly keyId: string;
  readonly hint: string;
}

/**
 * Records that Anthropic accepts the key that failed. A confirmed rejection is cleared. An unconfirmed one was no
 * verdict: the failure stays, but no longer counts as one of the key.
 */
export async function recordAcceptance(db: Db, { connectionId, keyId, hint }: ProbedKey, nowMs: number): Promise<void> {
  await db.transaction(async (tx) => {
    const failed = await lockFailureOf(tx, connectionId, keyId);
    if (failed === null) return;
    if (failed.rejectedAt !== null || failed.code === 'key_unreadable') {
      await clearFailure(tx, connectionId);
      await addEvent(tx, connectionId, { type: 'key_probed', message: `Anthropic accepts key …${hint} again.` });
      return;
    }
    await tx
      .update(connections)
      .set({ answeredAt: new Date(nowMs) })
      .where(eq(connections.id, connectionId));
    const message = `Anthropic rejected key …${hint} with ${failed.code} and accepted it when asked again; the key stays in use.`;
    await addEvent(tx, connectionId, { type: 'key_probed', message });
  });
}

/** Records that Anthropic rejects the key that failed. From the first time on, the rejection counts. */
export async function recordRejection(
  db: Db,
  { connectionId, keyId, hint }: ProbedKey,
  code: FailureCode,
  nowMs: number,
): Promise<void> {
  await db.transaction(async (tx) => {
    const failed = await lockFailureOf(tx, connectionId, keyId);
    if (failed === null) return;
    const at = new Date(nowMs);
    await tx
      .update(connections)
      .set({ answeredAt: at, rejectedAt: failed.rejectedAt ?? at })
      .where(eq(connections.id, connectionId));
    const message =
      failed.rejectedAt === null
        ? `Anthropic rejected key …${hint} with ${code} again when asked a second time, so the rejection counts.`
        : `Anthropic still rejects key …${hint} with ${code}.`;
    await addEvent(tx, connectionId, { type: 'key_probed', message });
  });
}

/** Locks the failure of a key. Null if it was cleared, or if another key failed since. */
async function lockFailureOf(
  tx: Db,
  connectionId: string,
  keyId: string,
): Promise<{ code: FailureCode; rejectedAt: Date | null } | null> {
  const [found] = await tx
    .select({ failure: connections.failure, rejectedAt: connections.rejectedAt })
    .from(connections)
    .where(and(eq(connections.id, connectionId), eq(connections.failureKeyId, keyId)))
    .for('no key update');
  return found?.failure == null ? null : { code: found.failure.code, rejectedAt: found.rejectedAt };
}
