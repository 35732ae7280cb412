import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { earlierOf, type Day } from '../../domain/days.ts';
import { monthOf, type Month } from '../../domain/months.ts';
import { row, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';

/** The first month that has costs, or a statement; null if there is none. */
export async function firstMonth(db: Db, today: Day): Promise<Month | null> {
  const { first } = await row(
    db,
    z.object({ first: dayJson.nullable() }),
    sql`
      select least(
        (select min(began) from counting_connections where purged_at is null),
        (select min(month) from statements)
      )::text as first
    `,
  );
  return first === null ? null : monthOf(earlierOf(first, today));
}

/** The first month that was ever closed; null if none was. */
export async function firstStatementMonth(db: Db): Promise<Month | null> {
  const { first } = await row(
    db,
    z.object({ first: dayJson.nullable() }),
    sql`select min(month)::text as first from statements`,
  );
  return first === null ? null : monthOf(first);
}
