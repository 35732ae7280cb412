import { sql, type SQL } from 'drizzle-orm';

/** The next number in the one order of requests for keys and activations. */
const NEXT_STEP = sql<number>`nextval('key_steps')`;

/** Column values of a candidate that somebody asks to use. */
export const REQUESTED = { requestedAt: sql`now()`, requestedNo: NEXT_STEP };

/** Column values of a key that becomes active. */
export function activated(connectionId: string): {
  state: 'active';
  activatedAt: SQL;
  activatedNo: SQL<number>;
  activatedSync: SQL<number>;
} {
  const lastSync = sql<number>`(select last_sync from connections where id = ${connectionId})`;
  return { state: 'active', activatedAt: sql`clock_timestamp()`, activatedNo: NEXT_STEP, activatedSync: lastSync };
}
