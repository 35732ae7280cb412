import fc from 'fast-check';
import { disconnect } from '../../db/connections/disconnect.ts';
import type { Db } from '../../db/core/database.ts';
import { restatements } from '../../db/schema.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { addDays, daysBetween, daysIn, type Day, type DayRange } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { NOW, TODAY, seedConnection, seedDay } from './support.ts';

/** Connections drawn at random, and what their days are to a sum, as the documentation says it. */

/** A day by its distance from today. */
export const on = (offset: number): Day => addDays(TODAY, offset);

export interface ReadDay {
  readonly isProvisional: boolean;
  readonly isFlagged: boolean;
  /** The totals that its cost had, the first one included. */
  readonly totals: readonly string[];
}

export interface Life {
  readonly organization: string;
  readonly began: number;
  /** Null while it lives. */
  readonly ended: number | null;
  readonly status: Status;
  readonly isPurged: boolean;
  /** The days that it has. */
  readonly days: ReadonlyMap<number, ReadDay>;
}

const total = fc.constantFrom('0', '-1.5', '0.1', '0.2', '12.345678901234567890123', '98765432109876543210.5');
const readDay: fc.Arbitrary<ReadDay> = fc.record({
  isProvisional: fc.boolean(),
  isFlagged: fc.integer({ min: 0, max: 9 }).map((draw) => draw === 0),
  totals: fc.oneof(
    { weight: 3, arbitrary: fc.constant(['1']) },
    { weight: 1, arbitrary: fc.array(total, { minLength: 2, maxLength: 4 }) },
  ),
});
const life = fc
  .record({
    organization: fc.constantFrom('a', 'b', 'c'),
    began: fc.integer({ min: -9, max: 0 }),
    length: fc.option(fc.integer({ min: 0, max: 9 })),
    end: fc.constantFrom('disconnected' as const, 'refused' as const, 'purged' as const),
    days: fc.array(fc.option(readDay, { freq: 2 }), { minLength: 10, maxLength: 10 }),
  })
  .map(({ organization, began, length, end, days }): Life => {
    const ended = length === null ? null : Math.min(0, began + length);
    const isKept = ended === null || end === 'disconnected';
    const kept = days.flatMap((day, index): [number, ReadDay][] =>
      day === null || !isKept || began + index > (ended ?? 0) ? [] : [[began + index, day]],
    );
    const status = ended === null ? 'active' : end === 'refused' ? 'refused' : 'disconnected';
    return { organization, began, ended, status, isPurged: ended !== null && end === 'purged', days: new Map(kept) };
  });

/** Up to six connections of three organizations, the oldest first. Of an organization, only the newest may live. */
export const lives: fc.Arbitrary<Life[]> = fc
  .array(life, { maxLength: 6 })
  .map((drawn) =>
    drawn.filter(
      ({ organization, ended }, index) =>
        ended !== null || !drawn.slice(index + 1).some((later) => later.organization === organization),
    ),
  );

/** Stores them, and returns their ids. */
export async function storeLives(db: Db, drawn: readonly Life[]): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, { organization, began, ended, status, isPurged, days }] of drawn.entries()) {
    const id = await seedConnection(db, {
      ...{ organization, status, began: on(began), createdAt: new Date(NOW + index) },
      ...(ended === null ? {} : { endedAt: new Date(`${on(ended)}T23:59:59Z`) }),
    });
    ids.push(id);
    for (const [offset, { isProvisional, isFlagged, totals }] of days) {
      const state = isProvisional || isFlagged ? 'provisional' : 'final';
      await seedDay(db, id, 'cost', on(offset), { state, ...(isFlagged ? { disagreesWith: '7' } : {}) });
      for (const [place, after] of totals.slice(1).entries()) {
        await db.insert(restatements).values({
          ...{ connectionId: id, report: 'cost', day: on(offset), before: toDecimal(totals[place] ?? '') },
          ...{ after: toDecimal(after), linesAdded: 0, linesRemoved: 0, linesChanged: 1, sync: 1 },
          at: new Date(NOW + place),
        });
      }
    }
    if (isPurged) await disconnect(db, id, true);
  }
  return ids;
}

export type Doubt = 'missing' | 'uncovered' | 'provisional';

/** What keeps the sum of a day from being certain, and the days that add to it. The later in the list, the newer. */
export function doubtsOf(drawn: readonly Life[], day: Day): { doubts: Set<Doubt>; counted: ReadDay[] } {
  const those = drawn.filter(({ status, isPurged }) => status !== 'refused' && !isPurged);
  const offset = daysBetween(TODAY, day);
  const doubts = new Set<Doubt>(offset > 0 ? ['uncovered'] : []);
  const counted: ReadDay[] = [];
  const covers = ({ began, ended }: Life): boolean => began <= offset && offset <= (ended ?? 0);
  if (!those.some(covers)) doubts.add('uncovered');
  for (const name of ['a', 'b', 'c']) {
    const own = those.filter(({ organization }) => organization === name);
    const newest = own.findLast(({ days }) => days.has(offset))?.days.get(offset);
    if (newest !== undefined) counted.push(newest);
    if (offset > 0 || !own.some(({ ended }) => ended === null || offset <= ended)) continue;
    if (!own.some(covers)) doubts.add('uncovered');
    else if (newest === undefined) doubts.add('missing');
    else if (newest.isProvisional || newest.isFlagged) doubts.add('provisional');
  }
  return { doubts, counted };
}

export type Counts = Readonly<Record<Doubt, number>>;

/** How many days of a range each doubt is about. */
export function countsOf(drawn: readonly Life[], range: DayRange): Counts {
  const counted = { provisional: 0, missing: 0, uncovered: 0 };
  for (const day of daysIn(range)) for (const doubt of doubtsOf(drawn, day).doubts) counted[doubt] += 1;
  return counted;
}
