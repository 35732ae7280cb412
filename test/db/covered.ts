import type { Db } from '../../db/core/database.ts';
import { loadFacts } from '../../db/connections/facts.ts';
import type { Facts } from '../../domain/connection/facts.ts';
import { daysIn, type Day } from '../../domain/days.ts';
import { TODAY, commitCost, commitUsage } from './support.ts';

export const SETTINGS = { today: TODAY, syncHourUtc: 6, restatementDays: 3 };

/** The facts of a connection. Throws if it does not exist. */
export async function factsOf(db: Db, id: string, today: Day = TODAY): Promise<Facts> {
  const facts = await loadFacts(db, id, { ...SETTINGS, today });
  if (facts === null) throw new Error('there is no such connection');
  return facts;
}

/** Commits both reports of the days of a range, each read on `today`, except those given as `without`. */
export async function fill(
  db: Db,
  id: string,
  from: Day,
  to: Day,
  without: { cost?: Day[]; usage?: Day[] } = {},
  today = TODAY,
): Promise<void> {
  for (const day of daysIn({ from, to })) {
    if (!without.cost?.includes(day)) await commitCost(db, id, [], { day, today });
    if (!without.usage?.includes(day)) await commitUsage(db, id, [], { day, today });
  }
}
