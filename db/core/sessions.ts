import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { row, type Db } from './database.ts';

/** No healthy process of Meterline is silent for this long inside a transaction, unless it exports. */
const FROZEN_AFTER_SECONDS = 20;

/**
 * The name of sessions that write files as slowly as their clients take them. They only read, so their locks keep nobody from
 * writing, and Postgres' own timeout ends those that freeze.
 */
export const EXPORTS_SESSION = 'meterline-exports';

/**
 * Ends sessions of Meterline that are silent inside an open transaction. Their process is frozen, and their locks block
 * others. Postgres' own timeout ends only a session that froze between two statements, not one that froze after parsing a
 * statement and before binding it. Returns how many sessions it ended. A role needs no right to end its own sessions.
 */
export async function endFrozenSessions(db: Db, frozenAfterSeconds: number = FROZEN_AFTER_SECONDS): Promise<number> {
  const ended = await db.execute(
    sql`
      select pg_terminate_backend(pid)
      from pg_stat_activity
      where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
        and application_name like 'meterline%' and application_name <> ${EXPORTS_SESSION}
        and xact_start is not null and wait_event = 'ClientRead'
        and state_change < now() - make_interval(secs => ${frozenAfterSeconds})
    `,
  );
  return ended.length;
}

/** A transaction as Postgres shows it to other sessions. */
export interface OpenTransaction {
  readonly pid: number;
  /** Tells it from later transactions of its session, which a pooler may have given to somebody else. */
  readonly startedAt: string;
}

/** The transaction `tx`, for {@link cancelStatement}. */
export function openTransaction(tx: Db): Promise<OpenTransaction> {
  const schema = z.object({ pid: z.int(), startedAt: z.string() });
  return row(tx, schema, sql`select pg_backend_pid() as pid, now()::text as "startedAt"`);
}

/** Cancels the statement that a transaction runs right now, if any. `db` must not be that transaction. */
export async function cancelStatement(db: Db, { pid, startedAt }: OpenTransaction): Promise<void> {
  await db.execute(sql`
    select pg_cancel_backend(pid) from pg_stat_activity
    where pid = ${pid} and xact_start = ${startedAt}::timestamptz and state = 'active'
  `);
}
