import { sql } from 'drizzle-orm';
import type { Db } from '../../../db/core/database.ts';
import type { Day } from '../../../domain/days.ts';
import type { KeyState } from '../../../domain/keys.ts';
import type { Report } from '../../../domain/lines.ts';
import type { Status } from '../../../domain/connection/statuses.ts';
import { storedCost, storedUsage } from '../../support/ledger.ts';
import { byDay, type Lines } from './revisions.ts';
import { rows } from '../../support/rows.ts';

/** A stored key, without its secret. */
export interface SeenKey {
  readonly id: string;
  readonly state: KeyState;
  readonly sealed: boolean;
  readonly requested: boolean;
  readonly failure: string | null;
}

/** A stored day of a report. */
export interface SeenDay {
  readonly report: Report;
  readonly day: Day;
  readonly readOn: Day;
  readonly total: string;
  readonly reconciled: boolean;
  readonly flagged: boolean;
}

/** A change that was kept. */
export interface SeenRestatement {
  readonly id: number;
  readonly report: Report;
  readonly day: Day;
  readonly before: string;
  readonly after: string;
}

/** What Postgres says of one connection. */
export interface Seen {
  readonly status: Status;
  readonly failure: string | null;
  readonly keys: readonly SeenKey[];
  readonly days: readonly SeenDay[];
  readonly restatements: readonly SeenRestatement[];
  /** Events of signals that were not understood. */
  readonly malformed: number;
  readonly runningSyncs: number;
  readonly lastSync: number;
  /** The syncs of days that somebody asked for by name, of those that succeeded. */
  readonly readByName: readonly { readonly n: number; readonly from: Day; readonly to: Day }[];
  readonly lines: Lines;
}

type SeenRow = { id: string; attempts: string; seen: Omit<Seen, 'lines'> };

const MALFORMED =
  '^[a-zA-Z]+: (its input|it takes|"purge" must|"from" and "to" go|"from" is after).*, so nothing changed$';

/** Looks at connections, and keeps the lines of those of which no day was read since the last look. */
export class Observer {
  readonly #db: Db;
  readonly #kept = new Map<string, { attempts: string; lines: Lines }>();

  constructor(db: Db) {
    this.#db = db;
  }

  async look(ids: readonly string[]): Promise<ReadonlyMap<string, Seen>> {
    const found = await rows<SeenRow>(this.#db, this.#query(ids));
    const seen = new Map<string, Seen>();
    for (const { id, attempts, seen: told } of found) {
      seen.set(id, { ...told, lines: await this.#linesOf(id, attempts) });
    }
    return seen;
  }

  async #linesOf(id: string, attempts: string): Promise<Lines> {
    const kept = this.#kept.get(id);
    if (kept?.attempts === attempts) return kept.lines;
    const [from, to]: [Day, Day] = ['2000-01-01', '9999-12-31'];
    const [cost, usage] = await Promise.all([storedCost(this.#db, id, from, to), storedUsage(this.#db, id, from, to)]);
    const lines = byDay({ cost, usage });
    this.#kept.set(id, { attempts, lines });
    return lines;
  }

  #query(ids: readonly string[]): ReturnType<typeof sql> {
    return sql`
      select c.id,
        (
          select coalesce(md5(string_agg(d.report || d.day || ':' || d.attempt, ',' order by d.report, d.day)), '')
          from days d where d.connection_id = c.id
        ) as attempts,
        jsonb_build_object(
          'status', c.status,
          'failure', c.failure ->> 'code',
          'keys', (
            select coalesce(jsonb_agg(jsonb_build_object(
              'id', k.id, 'state', k.state, 'sealed', k.sealed is not null,
              'requested', k.requested_at is not null, 'failure', k.failure ->> 'code'
            ) order by k.added_at), '[]')
            from keys k where k.connection_id = c.id
          ),
          'days', (
            select coalesce(jsonb_agg(jsonb_build_object(
              'report', d.report, 'day', d.day, 'readOn', d.read_on, 'total', trim_scale(d.total)::text,
              'reconciled', d.reconciled, 'flagged', d.disagrees_with is not null
            ) order by d.day, d.report), '[]')
            from days d where d.connection_id = c.id
          ),
          'restatements', (
            select coalesce(jsonb_agg(jsonb_build_object(
              'id', r.id, 'report', r.report, 'day', r.day,
              'before', trim_scale(r.before)::text, 'after', trim_scale(r.after)::text
            ) order by r.id), '[]')
            from restatements r where r.connection_id = c.id
          ),
          'malformed', (
            select count(*) from events e where e.connection_id = c.id and e.type = 'signal' and e.message ~ ${MALFORMED}
          ),
          'lastSync', c.last_sync,
          'readByName', (
            select coalesce(jsonb_agg(jsonb_build_object('n', s.n, 'from', s.from_day, 'to', s.to_day)), '[]')
            from syncs s where s.connection_id = c.id and s.every_day and s.state = 'succeeded'
          ),
          'runningSyncs', (select count(*) from syncs s where s.connection_id = c.id and s.state = 'running')
        ) as seen
      from connections c
      where c.id in (${sql.join(
        ids.map((id) => sql`${id}`),
        sql`, `,
      )})
    `;
  }
}
