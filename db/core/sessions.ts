import { sql } from 'drizzle-orm';
import type { Db } from './database.ts';

/** Longer than any of our processes lets Postgres wait in the middle of a transaction while it is well. */
const FROZEN_AFTER_SECONDS = 20;

/**
 * Ends sessions of this product that hold a transaction open and have not said a word for a while: their process is
 * frozen, and the locks that it holds would hold up everybody else. Postgres' own timeouts end only those that froze
 * between two statements, and not those in the middle of one, whose statement was parsed and waits to be bound.
 * Returns how many there were. Needs no right but to be the same role.
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
