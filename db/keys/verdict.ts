import { and, eq } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Status } from '../../domain/connection/statuses.ts';
import type { Failure } from '../../domain/failures.ts';
import type { KeyEnd, KeyState } from '../../domain/keys.ts';
import { connections } from '../connections/tables.ts';
import type { Db } from '../core/database.ts';
import { keys } from './tables.ts';

/** The state of a key and of its connection, from which the API derives its answer. */
export interface Verdict {
  readonly status: Status;
  readonly keyState: KeyState;
  /** The reason for its end; null unless it is destroyed. */
  readonly endReason: KeyEnd | null;
  /** The later key that Anthropic accepted first, and when; null for any other end. */
  readonly overtakenBy: { readonly keyId: string; readonly hint: string; readonly atMs: number } | null;
  readonly tries: number;
  readonly triedAtMs: number | null;
  readonly failure: Failure | null;
}

/** The verdict on a key so far; null if there is no such key. A caller may poll it many times a second. */
export async function loadVerdict(db: Db, connectionId: string, keyId: string): Promise<Verdict | null> {
  const later = alias(keys, 'later');
  const [verdict] = await db
    .select({
      status: connections.status,
      keyState: keys.state,
      endReason: keys.endReason,
      later: { keyId: later.id, hint: later.hint, at: later.activatedAt },
      tries: keys.tries,
      triedAt: keys.triedAt,
      failure: keys.failure,
    })
    .from(keys)
    .innerJoin(connections, eq(connections.id, keys.connectionId))
    .leftJoin(later, and(eq(later.connectionId, keys.connectionId), eq(later.id, keys.overtakenBy)))
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)));
  if (verdict === undefined) return null;
  const { triedAt, later: found, ...rest } = verdict;
  const overtakenBy = found?.at == null ? null : { keyId: found.keyId, hint: found.hint, atMs: found.at.getTime() };
  return { ...rest, overtakenBy, triedAtMs: triedAt?.getTime() ?? null };
}
