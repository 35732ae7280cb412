import { sql } from 'drizzle-orm';
import type { Db } from '../../db/core/database.ts';
import { daysOf } from '../../db/ledger/syncs.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { rows } from './rows.ts';

/** What a test asks of a connection. */
export interface ConnectionState extends Record<string, unknown> {
  readonly status: Status;
  readonly organization_id: string | null;
  readonly failure: string | null;
  readonly days: number;
  readonly unreconciled: number;
  readonly flagged: number;
}

/** Where a connection stands. */
export async function stateOf(db: Db, id: string): Promise<ConnectionState> {
  const [found] = await rows<ConnectionState>(
    db,
    sql`
      select c.status, c.organization_id, c.failure ->> 'code' as failure,
        (select count(*)::int from days d where d.connection_id = c.id and d.report = 'cost') as days,
        (select count(*)::int from days d where d.connection_id = c.id and not d.reconciled) as unreconciled,
        (select count(*)::int from days d where d.connection_id = c.id and d.disagrees_with is not null) as flagged
      from connections c where c.id = ${id}
    `,
  );
  if (found === undefined) throw new Error('no such connection');
  return found;
}

/** The keys of a connection by hint and state, oldest first, with whether a ciphertext is left. */
export async function keysOf(
  db: Db,
  id: string,
): Promise<{ hint: string; state: string; sealed: boolean; failure: string | null }[]> {
  return rows(
    db,
    sql`
      select hint, state, sealed is not null as sealed, failure ->> 'code' as failure
      from keys where connection_id = ${id} order by added_at
    `,
  );
}

/** The syncs of a connection, oldest first. */
export async function syncsOf(
  db: Db,
  id: string,
): Promise<
  {
    n: number;
    kind: string;
    state: string;
    requests: number;
    days_read: number;
    days_changed: number;
    failure: string | null;
  }[]
> {
  return rows(
    db,
    sql`
      select n, kind, state, requests, ${daysOf('syncs').read} as days_read, ${daysOf('syncs').changed} as days_changed, failure ->> 'code' as failure
      from syncs where connection_id = ${id} order by n, started_at
    `,
  );
}

/** The messages of a connection's events of one type, oldest first. */
export async function eventsOf(db: Db, id: string, type: string): Promise<string[]> {
  const found = await rows<{ message: string }>(
    db,
    sql`select message from events where connection_id = ${id} and type = ${type} order by id`,
  );
  return found.map(({ message }) => message);
}

/** Whether a sync is under way that has begun, or that took a number before it begins. */
export async function isSyncing(db: Db, id: string): Promise<boolean> {
  const [found] = await rows<{ syncing: boolean }>(
    db,
    sql`
      select c.last_sync > 0 and not exists (
        select from syncs s where s.connection_id = c.id and s.n = c.last_sync and s.ended_at is not null
      ) or exists (select from syncs s where s.connection_id = c.id and s.ended_at is null) as syncing
      from connections c where c.id = ${id}
    `,
  );
  return found?.syncing ?? false;
}
