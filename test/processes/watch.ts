import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { databaseFailure, type Db } from '../../db/core/database.ts';
import { rows } from '../support/rows.ts';

const EVERY_MS = 100;

interface SampledDay extends Record<string, unknown> {
  readonly of: string;
  readonly lines: number | null;
  readonly found: number;
  readonly adds_up: boolean | null;
  readonly attempt: number | null;
  readonly connection: string;
}

/**
 * Looks at a database several times a second and keeps what must not be so at any instant: a day that is neither one
 * revision nor the next, is gone or empty again, or was written by an older attempt; a connected organization without
 * exactly one active key; a sync that counts as succeeded before its days are there. Returns what stops it and tells.
 */
export function watch(db: Db): () => Promise<string[]> {
  const wrong = new Set<string>();
  const before = new Map<string, SampledDay>();
  const stop = new AbortController();
  const watching = (async () => {
    while (!stop.signal.aborted) {
      try {
        const now = await sampleDays(db);
        // Asked for second: what a purge deletes is gone no sooner than its connection has ended.
        const ended = await rows<{ id: string }>(db, sql`select id from connections where ended_at is not null`);
        compare(before, now, new Set(ended.map(({ id }) => id)), wrong);
        for (const { what } of await rows<{ what: string }>(db, WRONG)) wrong.add(what);
      } catch (error) {
        // Of a server that is killed meanwhile nothing can be said.
        if (databaseFailure(error)?.unavailable !== true) throw error;
      }
      await delay(EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return async () => {
    stop.abort();
    await watching;
    return [...wrong];
  };
}

function compare(
  before: Map<string, SampledDay>,
  now: readonly SampledDay[],
  ended: ReadonlySet<string>,
  wrong: Set<string>,
): void {
  const sampled = new Map(now.map((day) => [day.of, day]));
  for (const day of now) {
    const { of, lines, found, attempt } = day;
    if (lines === null) wrong.add(`${of}: ${found} lines of a day that is not there`);
    else if (lines !== found || day.adds_up !== true) wrong.add(`${of}: ${found} lines, of another revision than it`);
    const last = before.get(of);
    if ((last?.attempt ?? 0) > (attempt ?? 0)) wrong.add(`${of}: attempt ${attempt} after ${last?.attempt}`);
    if ((last?.lines ?? 0) > 0 && lines === 0) wrong.add(`${of}: empty again`);
    before.set(of, day);
  }
  for (const [of, { connection }] of before) {
    if (sampled.has(of)) continue;
    before.delete(of);
    if (!ended.has(connection)) wrong.add(`${of}: gone`);
  }
}

/** Every stored day beside the lines that are there, in one snapshot. */
function sampleDays(db: Db): Promise<SampledDay[]> {
  return rows<SampledDay>(
    db,
    sql`
      with stored as (
        select l.day_no, count(*)::int as lines, coalesce(sum(l.amount) filter (where s.currency = 'USD'), 0) as total
        from cost_lines l join cost_series s using (series_no)
        group by l.day_no
        union all
        select day_no, count(*)::int,
          sum(uncached_input_tokens::numeric + output_tokens + cache_read_input_tokens + cache_creation_5m + cache_creation_1h)
        from usage_lines
        group by day_no
      )
      select c.name || ', ' || report || ' of ' || day as of, d.lines, coalesce(stored.lines, 0) as found,
        d.total = coalesce(stored.total, 0) as adds_up, d.attempt::int, connection_id as connection
      from days d full join stored using (day_no)
      left join connections c on c.id = connection_id
    `,
  );
}

const WRONG = sql`
  select c.name || ': ' || count(k.id) || ' active keys' as what
  from connections c left join keys k on k.connection_id = c.id and k.state = 'active'
  where c.organization_id is not null and c.status not in ('refused', 'disconnected')
  group by c.id
  having count(k.id) <> 1
  union all
  select c.name || ': sync ' || s.n || ' succeeded without ' || report || ' of ' || asked.day::date
  from syncs s join connections c on c.id = s.connection_id
    cross join unnest(array['cost', 'usage']) as report
    cross join generate_series(s.from_day, s.to_day, interval '1 day') as asked(day)
  where s.state = 'succeeded' and not exists (
    select from days d
    where d.connection_id = s.connection_id and d.report = report and d.day = asked.day::date
  )
  union all
  select c.name || ': the key of …' || k.hint || ' has ended and is there still'
  from connections c join keys k on k.connection_id = c.id
  where c.status = 'disconnected' and k.sealed is not null
`;
