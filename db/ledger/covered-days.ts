import { sql, type SQL } from 'drizzle-orm';
import { REPORTS } from '../../domain/lines.ts';

/**
 * The covered days of a connection, one row a day: the days that every report has. `which` is a condition on the rows
 * of `days d`; only days whose rows all meet it count.
 */
export function coveredDays(connectionId: SQL, which: SQL = sql`true`): SQL {
  return sql`
    select
      d.day,
      bool_or(d.state = 'provisional') as provisional,
      bool_or(d.disagrees_with is not null) as flagged,
      bool_or(d.lines > 0) as has_lines
    from days d
    where d.connection_id = ${connectionId} and ${which}
    group by d.day
    having count(*) = ${REPORTS.length}
  `;
}
