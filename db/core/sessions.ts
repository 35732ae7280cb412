import { sql } from 'drizzle-orm';
import type { Db } from './database.ts';

/** No healthy process of Meterline is silent for this long inside a transaction. */
const FROZEN_AFTER_SECONDS = 20;

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
        and application_name like 'meterline%'
        and xact_start is not null and wait_event = 'ClientRead'
        and state_change < now() - make_interval(secs => ${frozenAfterSeconds})
    `,
  );
  return ended.length;
}
