import { and, eq, gte, lte, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Day, DayRange } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import type { StoredDay } from '../../domain/reading.ts';
import { row, type Db } from '../core/database.ts';
import { bigintText, dayJson } from '../core/json.ts';
import { days } from '../schema.ts';

/** What is stored of the days of a range, oldest first. A day that is absent is missing. */
export async function storedDays(db: Db, connectionId: string, report: Report, range: DayRange): Promise<StoredDay[]> {
  return db
    .select({ day: days.day, state: days.state, total: days.total, readOn: days.readOn })
    .from(days)
    .where(
      and(
        eq(days.connectionId, connectionId),
        eq(days.report, report),
        gte(days.day, range.from),
        lte(days.day, range.to),
      ),
    )
    .orderBy(days.day);
}

/** What an attempt to read days knows before its first request. */
export interface ReadAttempt {
  /** Its number. Only an attempt with a higher number replaces a day that it read. */
  readonly attempt: number;
  /** The most lines that any of the last seven stored days of the report has; 0 where none is stored. */
  readonly linesPerDay: number;
  /** The digests of the days in its range that are stored. */
  readonly digests: ReadonlyMap<Day, Buffer>;
}

/**
 * Begins an attempt to read the days of a range. Call it before the first request: then, of two attempts that overlap, the
 * one that began later wins.
 */
export async function startReadAttempt(
  db: Db,
  connectionId: string,
  report: Report,
  range: DayRange,
): Promise<ReadAttempt> {
  const { attempt, lines, digests } = await row(
    db,
    z.object({ attempt: bigintText, lines: z.int(), digests: z.array(z.tuple([dayJson, z.string()])) }),
    sql`
      with stored as (
        select day, lines, digest from days where connection_id = ${connectionId} and report = ${report}
      )
      select
        nextval('read_attempts') as attempt,
        (
          select coalesce(max(lines), 0)::int from (select lines from stored order by day desc limit 7) last
        ) as lines,
        (
          select coalesce(jsonb_agg(jsonb_build_array(day, encode(digest, 'hex'))), '[]')
          from stored
          where day between ${range.from} and ${range.to}
        ) as digests
    `,
  );
  return {
    attempt,
    linesPerDay: lines,
    digests: new Map(digests.map(([day, digest]) => [day, Buffer.from(digest, 'hex')])),
  };
}
