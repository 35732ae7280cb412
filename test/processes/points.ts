import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { addDays } from '../../domain/days.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import type { FaultInput } from '../../simulator/simulator.ts';
import { connectionWorkflowId, wake } from '../../workflows/messages.ts';
import { stateOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { PATIENCE_MS, rotate, start, tell, type Connected, type Place } from './support.ts';

/** Which change of a row is the mark of a transaction. */
export interface Mark {
  readonly table: 'connections' | 'keys' | 'syncs' | 'days' | 'events';
  readonly on: 'insert' | 'update';
  /** SQL over `new` and, of an update, `old`. */
  readonly when: string;
  /** Of a day: only the second one, neither the first nor the last that an activity writes. */
  readonly secondDay?: boolean;
}

/** A point at which the worker is killed, and what there has to be in the end. */
export interface Point {
  readonly name: string;
  /** What the process is in the middle of: a transaction, or a request. */
  readonly at: Mark | FaultInput;
  /** Whether the connection is active already when `lead` is called. */
  readonly active: boolean;
  /** What takes a while and has to be so before `lead`: nothing may stand still for long meanwhile. */
  readonly prepare?: Point['lead'];
  /** Makes the connection go there. */
  lead(place: Place, connection: Connected): Promise<void>;
  readonly ends: {
    readonly status: Status;
    readonly syncs: readonly string[];
    /** The states of its keys, oldest first. */
    readonly keys: readonly string[];
  };
}

const BACKFILL = 'backfill succeeded';
const connected: Point['ends'] = { status: 'active', syncs: [BACKFILL], keys: ['active'] };

function connecting(name: string, at: Point['at']): Point {
  return { name, at, active: false, lead: start, ends: connected };
}

function living(name: string, at: Mark, lead: Point['lead'], ends: Partial<Point['ends']>): Point {
  return { name, at, active: true, lead, ends: { ...connected, ...ends } };
}

/** A connection takes a status. */
export const becomes = (status: Status): Mark => ({
  table: 'connections',
  on: 'update',
  when: `new.status = '${status}' and old.status <> new.status`,
});
const keyBecomes = (state: string, was: string): Mark => ({
  table: 'keys',
  on: 'update',
  when: `new.state = '${state}' and old.state = '${was}'`,
});
const syncIs = (state: string): Mark => ({ table: 'syncs', on: 'update', when: `new.state = '${state}'` });
const newDay = (report: string): Mark => ({
  table: 'days',
  on: 'insert',
  when: `new.report = '${report}'`,
  secondDay: true,
});

async function rotateToNew(place: Place, { id, organization }: Connected): Promise<void> {
  await rotate(place, id, place.simulator.control.addKey({ organization }).key);
}

async function rotateToUnknown(place: Place, { id }: Connected): Promise<void> {
  await rotate(place, id, `sk-ant-admin01-${'Unknown_'.repeat(10)}AA`);
}

/** The new key is good until a sync first reads with it. */
async function rotateToRejected(place: Place, { id, organization }: Connected): Promise<void> {
  const { control } = place.simulator;
  const { key } = control.addKey({ organization });
  control.fault({ kind: 'unauthorized', key, after: 1, times: 'always' });
  await rotate(place, id, key);
  await until('it to be rejected', async () => (await stateOf(place.db, id)).failure === 'key_invalid', PATIENCE_MS);
}

/** It would be asked about half a minute after it was rejected. */
async function confirmNow(place: Place, { id }: Connected): Promise<void> {
  await place.db.execute(sql`update connections set failed_at = failed_at - interval '1 minute' where id = ${id}`);
  await place.client.workflow.getHandle(connectionWorkflowId(id)).signal(wake);
}

/** Corrects the second day. Lines change, are added and are gone: each a way to leave a mixture. */
export function restate({ simulator }: Place, { organization, days }: Connected): void {
  const day = addDays(days.from, 1);
  for (const report of ['cost', 'usage'] as const) {
    for (const kind of ['scale', 'add', 'remove'] as const) {
      simulator.control.restate({ kind, day, report, organization, ...(kind === 'scale' ? {} : { rows: 2 }) });
    }
  }
}

async function syncRestated(place: Place, connection: Connected): Promise<void> {
  restate(place, connection);
  await tell(place, connection.id, 'syncNow');
}

async function failOnce(place: Place, { id, key }: Connected): Promise<void> {
  // As often as one sync asks: its next tries are harmless.
  place.simulator.control.fault({ kind: 'status', status: 500, report: 'workspaces', key, times: 3 });
  await tell(place, id, 'syncNow');
}

const rewritten = (report: string): Mark => ({
  table: 'days',
  on: 'update',
  when: `new.report = '${report}' and new.digest <> old.digest`,
});
const rotated = { syncs: [BACKFILL, 'daily succeeded'], keys: ['destroyed', 'active'] };

/** Every transaction that moves a connection on, by what it does. */
export const TRANSACTIONS: readonly Point[] = [
  connecting('accepts the first key', keyBecomes('active', 'candidate')),
  connecting('moves the connection to its next status', becomes('backfilling')),
  connecting("takes a sync's number", {
    table: 'connections',
    on: 'update',
    when: 'new.last_sync = 1 and old.last_sync = 0',
  }),
  connecting('opens a sync', { table: 'syncs', on: 'insert', when: 'true' }),
  connecting('writes a new day of cost', newDay('cost')),
  connecting('writes a new day of usage', newDay('usage')),
  connecting('reconciles days', { table: 'days', on: 'update', when: 'new.reconciled and not old.reconciled' }),
  connecting('ends a sync well', syncIs('succeeded')),
  living('accepts a new key', keyBecomes('active', 'candidate'), rotateToNew, rotated),
  living('destroys a replaced key', keyBecomes('destroyed', 'superseded'), rotateToNew, rotated),
  living('refuses a key', keyBecomes('refused', 'candidate'), rotateToUnknown, { keys: ['active', 'refused'] }),
  {
    ...living('goes back to the key before', keyBecomes('refused', 'active'), confirmNow, {
      syncs: [BACKFILL, 'daily failed', 'daily succeeded'],
      keys: ['active', 'refused'],
    }),
    prepare: rotateToRejected,
  },
  living('replaces a day of cost', rewritten('cost'), syncRestated, { syncs: [BACKFILL, 'manual succeeded'] }),
  living('replaces a day of usage', rewritten('usage'), syncRestated, { syncs: [BACKFILL, 'manual succeeded'] }),
  living('notes that a sync failed', syncIs('failed'), failOnce, {
    syncs: [BACKFILL, 'manual failed', 'manual succeeded'],
  }),
  living('disconnects', becomes('disconnected'), (place, { id }) => tell(place, id, 'disconnect'), {
    status: 'disconnected',
    keys: ['destroyed'],
  }),
  living(
    'disconnects and purges',
    { table: 'events', on: 'insert', when: "new.type = 'purged'" },
    (place, { id }) => tell(place, id, 'disconnect', { purge: true }),
    { status: 'disconnected', syncs: [], keys: ['destroyed'] },
  ),
];

/** Requests that stand between two commits: the one before is done, and the next one not begun. */
export const REQUESTS: readonly Point[] = [
  connecting('asks whose its key is', { kind: 'stall_body', report: 'organization' }),
  connecting('lists workspaces', { kind: 'stall_body', report: 'workspaces' }),
  connecting('reads totals of cost', { kind: 'stall_body', report: 'cost', grouped: false }),
  connecting('reads the third day of cost', { kind: 'stall_body', report: 'cost', grouped: true, page: 3 }),
  connecting('reads totals of usage', { kind: 'stall_body', report: 'usage', grouped: false }),
  connecting('reads the third day of usage', { kind: 'stall_body', report: 'usage', grouped: true, page: 3 }),
];

/** Where in a transaction the process is held: before the statement that is its mark, or at its commit. */
export type Moment = 'before' | 'commit';

/** Holds transactions at their marks. */
export interface Holds {
  /** Waits until a transaction stands at each mark. */
  reached(): Promise<void>;
  /** Postgres loses what is held, as when the connection breaks before the commit. */
  lose(): Promise<void>;
  /** What is held goes on, and is committed where it waited to be. */
  release(): Promise<void>;
  close(): Promise<void>;
}

/** A class of advisory locks for each moment, so that both can be held at once. */
const LOCK_CLASSES: Readonly<Record<Moment, number>> = { before: 7077, commit: 7078 };

/**
 * Puts a trigger on the mark of each connection that waits for a lock which this holds. A deferred constraint trigger
 * fires at the commit, an ordinary one in the middle of the transaction.
 */
export async function holdAt(
  databaseUrl: string,
  moment: Moment,
  marks: readonly { readonly connection: Connected; readonly mark: Mark }[],
): Promise<Holds> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  const lockClass = LOCK_CLASSES[moment];
  // The session's timeouts would end what is held, and some activities have three attempts only: on a slow machine, they
  // would be used up before the last point is reached. A statement times out once, so what stands then stands on.
  await sql.unsafe(`
    create or replace function hold() returns trigger language plpgsql set lock_timeout = 0 as $$
    begin
      loop
        begin
          perform pg_advisory_xact_lock_shared(tg_argv[0]::int, tg_argv[1]::int);
          return new;
        exception when query_canceled then
          null;
        end;
      end loop;
    end $$
  `);
  const waiting = `
    from pg_locks where locktype = 'advisory' and classid = ${lockClass} and not granted
      and database = (select oid from pg_database where datname = current_database())
  `;
  for (const [index, { connection, mark }] of marks.entries()) {
    await sql`select pg_advisory_lock(${lockClass}::int, ${index}::int)`;
    await sql.unsafe(triggerOf(moment, index, connection, mark));
  }
  return {
    async reached() {
      const what = `processes to stand at ${marks.length} points`;
      const isReached = async (): Promise<boolean> => {
        const found = await sql.unsafe(`select distinct objid ${waiting}`);
        return found.length === marks.length;
      };
      await until(what, isReached, 2 * PATIENCE_MS);
    },
    async lose() {
      await sql.unsafe(`select pg_terminate_backend(pid) ${waiting}`);
      await sql`select pg_advisory_unlock_all()`;
    },
    async release() {
      await sql`select pg_advisory_unlock_all()`;
    },
    close: () => sql.end({ timeout: 5 }),
  };
}

function triggerOf(moment: Moment, index: number, { id, days }: Connected, mark: Mark): string {
  const { table, on, when, secondDay = false } = mark;
  const row = `new.${table === 'connections' ? 'id' : 'connection_id'} = '${id}'`;
  const day = secondDay ? `new.day = '${addDays(days.from, 1)}'` : 'true';
  const [kind, fires, deferral] =
    moment === 'commit' ? ['constraint trigger', 'after', 'deferrable initially deferred'] : ['trigger', 'before', ''];
  return `
    create ${kind} hold_${moment}_${id.slice(0, 8)} ${fires} ${on} on ${table} ${deferral}
    for each row when (${row} and ${day} and (${when})) execute function hold('${LOCK_CLASSES[moment]}', '${index}')
  `;
}
