import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Facts } from '../../domain/connection/facts.ts';
import { lastDayBeforeDaily } from '../../domain/connection/schedule.ts';
import type { Day } from '../../domain/days.ts';
import { daysToSettle } from '../../domain/reading.ts';
import { epochMs, preparedRows, type Db } from '../core/database.ts';
import { OPEN_SINCE } from '../allocation/open-since.ts';
import { coveredDays } from '../ledger/covered-days.ts';
import { factsJson } from './schemas.ts';

/** A failed request for days is tried again for this long. */
const REQUEST_LASTS_DAYS = 7;

/** The most candidates that are loaded; those that somebody asked for come first. */
const MAX_CANDIDATES = 100;

/** What loading the facts needs besides Postgres. `today` is the workflow's UTC day. */
export interface FactsSettings {
  readonly today: Day;
  readonly syncHourUtc: number;
  readonly restatementDays: number;
}

/** Loads what the next step of a connection depends on; null if it does not exist. */
export async function loadFacts(db: Db, connectionId: string, settings: FactsSettings): Promise<Facts | null> {
  const today = sql`${settings.today}::date`;
  const [found] = await preparedRows(
    db,
    z.object({ facts: factsJson }),
    sql`
      select jsonb_build_object(
        'status', c.status,
        'began', c.began,
        'backfillTo', c.backfill_to,
        'openSince', (${OPEN_SINCE}),
        'discovered', c.discovered_at is not null,
        'nextSync', c.last_sync + 1,
        'activeKeyId', (select k.id from keys k where k.connection_id = c.id and k.state = 'active'),
        'hasSupersededKey', exists (select from keys k where k.connection_id = c.id and k.state = 'superseded'),
        'candidates', (${candidates()}),
        'oldestUnfinished', (${oldestUnfinished(settings)}),
        'lastSyncFailed', coalesce((
          select s.state = 'failed' from syncs s where s.connection_id = c.id order by s.n desc, s.started_at desc limit 1
        ), false),
        'requestedDays', (${requestedDays()}),
        'recentDaysRequested', exists (${recentRequests()}),
        'syncedAtMs', ${epochMs(sql`c.synced_at`)},
        'hasFutureDays', c.backfill_to > ${today} + 1 or exists (
          select from days d where d.connection_id = c.id and (d.day > ${today} + 1 or d.read_on > ${today} + 1)
        ),
        'failure', case when c.failure is not null then ${failure()} end
      ) || (${missingDays(today)}) as facts
      from connections c
      where c.id = ${connectionId}
    `,
  );
  return found === undefined ? null : { ...found.facts, connectionId, syncHourUtc: settings.syncHourUtc };
}

function candidates(): SQL {
  return sql`
    select coalesce(jsonb_agg(jsonb_build_object(
      'keyId', k.id,
      'requested', k.requested_at is not null,
      'tries', k.tries,
      'triedAtMs', ${epochMs(sql`k.tried_at`)}
    ) || jsonb_strip_nulls(jsonb_build_object('failure', k.failure)) order by k.requested_no nulls last, k.added_at), '[]')
    from (
      select * from keys k where k.connection_id = c.id and k.state = 'candidate'
      order by k.requested_no nulls last, k.added_at desc limit ${MAX_CANDIDATES}
    ) k
  `;
}

function failure(): SQL {
  return sql`
    jsonb_build_object(
      'code', c.failure ->> 'code',
      'keyId', c.failure_key_id,
      'atMs', ${epochMs(sql`c.failed_at`)},
      'count', c.failure_count,
      'probedAtMs', ${epochMs(sql`c.probed_at`)},
      'answeredAtMs', ${epochMs(sql`c.answered_at`)},
      'rejectedAtMs', ${epochMs(sql`c.rejected_at`)}
    ) || jsonb_strip_nulls(jsonb_build_object('retryAfterMs', c.failure -> 'retryAfterMs'))
  `;
}

function missingDays(today: SQL): SQL {
  return sql`
    select jsonb_build_object(
      'oldestMissing', min(asked.day::date),
      'newestMissing', max(asked.day::date) filter (where asked.day <= c.backfill_to),
      'oldestUnconfirmed', (
        select min(d.day) from days d
        where d.connection_id = c.id and d.day between c.began and c.backfill_to
          and not d.reconciled and d.disagrees_with is null
      )
    )
    from generate_series(c.began, ${today}, interval '1 day') as asked(day)
    left join (${coveredDays(sql`c.id`)}) covered on covered.day = asked.day::date
    where covered.day is null
  `;
}

function oldestUnfinished({ today, restatementDays }: FactsSettings): SQL {
  // A day that was read today counts as finished, so that catching up comes to an end.
  const finished = sql`(
    d.read_on = ${today}::date
    or (d.state = 'final' and d.read_on >= d.day + ${daysToSettle(restatementDays)}::int)
  )`;
  return sql`
    select min(asked.day::date)
    from generate_series(c.began, ${lastDayBeforeDaily(today)}::date, interval '1 day') as asked(day)
    left join (${coveredDays(sql`c.id`, finished)}) covered on covered.day = asked.day::date
    where covered.day is null
  `;
}

function requestedDays(): SQL {
  return sql`
    select jsonb_build_object('from', s.from_day, 'to', s.to_day)
    from syncs s
    where s.connection_id = c.id and s.state = 'failed' and s.every_day
      and s.started_at > now() - make_interval(days => ${REQUEST_LASTS_DAYS})
      and not exists (
        select from syncs later
        where later.connection_id = c.id and later.state = 'succeeded' and later.every_day
          and later.n >= s.n and later.from_day <= s.from_day and later.to_day >= s.to_day
      )
    order by s.n
    limit 1
  `;
}

function recentRequests(): SQL {
  return sql`
    select from syncs s
    where s.connection_id = c.id and s.state = 'failed' and s.kind = 'manual' and not s.every_day
      and s.started_at > now() - make_interval(days => ${REQUEST_LASTS_DAYS})
      and not exists (
        select from syncs later
        where later.connection_id = c.id and later.state = 'succeeded' and not later.every_day
          and later.n >= s.n and later.to_day >= s.to_day
      )
  `;
}
