import { and, eq, inArray, lt, sql, type SQL } from 'drizzle-orm';
import type { Failure } from '../../domain/failures.ts';
import type { KeyEnd, KeyState } from '../../domain/keys.ts';
import { addEvent } from '../connections/events.ts';
import type { Db } from '../core/database.ts';
import { keys } from './tables.ts';

/** Which keys end: those that are in one of these states and match `which`. */
interface Ending {
  readonly from: readonly KeyState[];
  readonly which?: SQL | undefined;
}

/** Why a key ends. A failure makes it `refused`, a reason makes it `destroyed`. */
type End =
  | { readonly failure: Failure }
  | { readonly reason: Exclude<KeyEnd, 'overtaken'> }
  | { readonly reason: 'overtaken'; readonly overtakenBy: string };

/** Ends keys and destroys their ciphertexts. Returns the hints of the keys that it ended. */
export async function endKeys(
  db: Db,
  connectionId: string,
  { from, which }: Ending,
  end: End,
): Promise<{ hint: string }[]> {
  return db
    .update(keys)
    .set({ ...columnsOf(end), sealed: null, encryptionKeyId: null, endedAt: sql`now()` })
    .where(and(eq(keys.connectionId, connectionId), inArray(keys.state, [...from]), which))
    .returning({ hint: keys.hint });
}

function columnsOf(end: End) {
  if ('failure' in end) return { state: 'refused', failure: end.failure } as const;
  const overtakenBy = 'overtakenBy' in end ? end.overtakenBy : null;
  return { state: 'destroyed', endReason: end.reason, overtakenBy } as const;
}

/** Destroys the candidates that were requested before the accepted key, so that a late verdict cannot replace it. */
export async function destroyOvertaken(
  tx: Db,
  connectionId: string,
  accepted: { keyId: string; hint: string },
): Promise<void> {
  const since = sql`(select k.requested_no from keys k where k.connection_id = ${connectionId} and k.id = ${accepted.keyId})`;
  const overtaken = await endKeys(
    tx,
    connectionId,
    { from: ['candidate'], which: lt(keys.requestedNo, since) },
    { reason: 'overtaken', overtakenBy: accepted.keyId },
  );
  for (const { hint } of overtaken) {
    const message = `Key …${hint} is destroyed: Anthropic accepted the later key …${accepted.hint} first.`;
    await addEvent(tx, connectionId, { type: 'key_destroyed', message });
  }
}

/** Destroys the superseded keys after sync `n` succeeded, if that sync began after the active key became active. */
export async function destroySuperseded(db: Db, connectionId: string, n: number): Promise<void> {
  const [active] = await db
    .select({ activatedSync: keys.activatedSync })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'active')));
  if (active?.activatedSync == null || active.activatedSync >= n) return;
  for (const { hint } of await endKeys(db, connectionId, { from: ['superseded'] }, { reason: 'replaced' })) {
    await addEvent(db, connectionId, { type: 'key_destroyed', message: `Key …${hint}, replaced, is destroyed.` });
  }
}

/** Destroys every key of a connection that ends. */
export async function destroyAllKeys(db: Db, connectionId: string): Promise<void> {
  await endKeys(db, connectionId, { from: ['candidate', 'active', 'superseded'] }, { reason: 'connection_ended' });
}
