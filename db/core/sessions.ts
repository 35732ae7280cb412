import { sql } from 'drizzle-orm';
import type { Db } from './database.ts';

/** No healthy process of ours leaves Postgres waiting in the middle of a transaction for this long. */
const FROZEN_AFTER_SECONDS = 20;

/**
 * Ends sessions of this product that hold a transaction open and have been silent for a while: their process is frozen, and
 * its locks would hold up everybody else. Postgres' own timeout ends a session that froze between two statements, but not
 * one that froze in the middle of one, after parsing it and before binding it. Returns how many sessions it ended. The role
 * needs no right, because the sessions are its own.
 */
export async function endFrozenSessions(db: Db, frozenAfterSeconds: number = FROZEN_AFTER_SECONDS): Promise<number> {
  const ended = await db.execute(
    sql`
      select pg_terminate_backend(pid)
      from pg_stat_activity
      where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
        and application_name like 'meterline%'
        and xact_start is not null and wait_event = 'ClientRead'
        and state_change < now() - make_interval(secs => ${frozenAfterSeconds})
    `,
  );
  return ended.length;
}
