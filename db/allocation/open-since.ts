import { sql } from 'drizzle-orm';

/** The first day of the first month that may still be closed; null if no document is stored and no month was closed. */
export const OPEN_SINCE = sql`
  select coalesce(
    (select (max(month) + interval '1 month')::date from statements where state = 'closed'),
    (select min(from_day) from allocation_versions)
  )
`;
