import { and, desc, eq, sql } from 'drizzle-orm';
import type { Failure } from '../../domain/failures.ts';
import type { KeyEnd, KeyState } from '../../domain/keys.ts';
import type { Db } from '../core/database.ts';
import { keys } from '../schema.ts';

/** A key of a connection as it is listed. */
export interface ListedKey {
  readonly id: string;
  readonly state: KeyState;
  readonly hint: string;
  readonly failure: Failure | null;
  readonly endReason: KeyEnd | null;
  readonly tries: number;
  readonly addedAt: Date;
  readonly requestedAt: Date | null;
  readonly triedAt: Date | null;
  readonly activatedAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly endedAt: Date | null;
}

/** The keys of a connection in every state, newest first; `after` is the id of the last one seen. */
export async function listKeys(
  db: Db,
  connectionId: string,
  page: { state: KeyState | null; after: string | null; limit: number },
): Promise<ListedKey[]> {
  const seen = sql`(
    select seen.added_at, seen.id from keys seen where seen.connection_id = ${connectionId} and seen.id = ${page.after}
  )`;
  return db
    .select({
      id: keys.id,
      state: keys.state,
      hint: keys.hint,
      failure: keys.failure,
      endReason: keys.endReason,
      tries: keys.tries,
      addedAt: keys.addedAt,
      requestedAt: keys.requestedAt,
      triedAt: keys.triedAt,
      activatedAt: keys.activatedAt,
      lastUsedAt: keys.lastUsedAt,
      endedAt: keys.endedAt,
    })
    .from(keys)
    .where(
      and(
        eq(keys.connectionId, connectionId),
        page.state === null ? undefined : eq(keys.state, page.state),
        page.after === null ? undefined : sql`(${keys.addedAt}, ${keys.id}) < ${seen}`,
      ),
    )
    .orderBy(desc(keys.addedAt), desc(keys.id))
    .limit(page.limit);
}
