import { and, eq } from 'drizzle-orm';
import type { Failure } from '../../domain/failures.ts';
import type { KeyEnd, KeyState } from '../../domain/keys.ts';
import { addEvent } from '../connections/events.ts';
import type { Db } from '../core/database.ts';
import { keys } from './tables.ts';

/** Records why a rotation to a key changed nothing. A second event with the same `dedupKey` is ignored. */
export async function recordRotation(db: Db, connectionId: string, keyId: string, dedupKey?: string): Promise<void> {
  const [key] = await db
    .select({ hint: keys.hint, state: keys.state, failure: keys.failure, endReason: keys.endReason })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)));
  const why = key === undefined ? 'this connection has no key with this id' : `key …${key.hint} ${fateOf(key)}`;
  await addEvent(db, connectionId, { type: 'signal', message: `rotateKey: ${why}, so nothing changed`, dedupKey });
}

function fateOf(key: { state: KeyState; failure: Failure | null; endReason: KeyEnd | null }): string {
  switch (key.state) {
    case 'candidate':
      return 'waits behind many others';
    case 'active':
      return 'is in use already';
    case 'superseded':
      return 'was replaced by a later key';
    case 'refused':
      return `was refused${key.failure === null ? '' : ` with ${key.failure.code}`}`;
    case 'destroyed':
      return key.endReason === null ? 'is destroyed' : ENDS[key.endReason];
  }
}

const ENDS: Readonly<Record<KeyEnd, string>> = {
  replaced: 'was replaced by a later key and is destroyed',
  overtaken: 'was destroyed because Anthropic accepted a later key first',
  unused: 'was not used in time and is destroyed',
  discarded: 'was discarded and is destroyed',
  connection_ended: 'was destroyed when the connection ended',
};
