import { and, desc, eq, isNull, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { TROUBLE_AT_MOST_EVERY_MS, TROUBLE_TOLD_AFTER_MS } from '../../domain/notices/decisions.ts';
import { rows, type Db } from '../core/database.ts';
import { failureJson } from '../core/json.ts';
import { closeNotice, writeNotice } from './outbox.ts';
import { notices } from './tables.ts';

/**
 * Tells of connections that have been in trouble for an hour, or await a key, and that nobody was told of yet. Each is
 * decided in a transaction of its own, which locks it, so any number of processes may ask at once. Returns how many it
 * told of.
 *
 * The worker asks in every round of its keeper. A timer in the workflow of each connection would be no more exact, since it
 * would look at the same instant in Postgres, and it would be lost with Temporal's state.
 */
export async function tellLastingTrouble(db: Db): Promise<number> {
  const due = await rows(db, z.object({ id: z.string() }), sql`select c.id from connections c where ${isToldNow()}`);
  let told = 0;
  for (const { id } of due) {
    const isTold = await db.transaction(async (tx) => (await isLocked(tx, id)) && (await tellTrouble(tx, id)));
    if (isTold) told += 1;
  }
  return told;
}

/** Locks a connection unless somebody else has, as a purge does for minutes. The next round finds it again. */
async function isLocked(tx: Db, connectionId: string): Promise<boolean> {
  const lock = sql`select id from connections where id = ${connectionId} for no key update skip locked`;
  return (await rows(tx, z.object({ id: z.string() }), lock)).length > 0;
}

const troubled = z.object({
  name: z.string(),
  status: z.enum(['degraded', 'awaiting_key']),
  failure: failureJson.nullable(),
  since: z.string(),
  told: z.int(),
});

/**
 * Tells that a connection awaits a key, or has been in trouble for an hour, and returns whether it did. It does not if
 * neither is so, or if people know already. Belongs in a transaction that has locked the connection.
 */
export async function tellTrouble(tx: Db, connectionId: string): Promise<boolean> {
  const [found] = await rows(
    tx,
    troubled,
    sql`
      select c.name, c.status, c.failure,
        to_char(c.troubled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as since,
        (select count(*)::int from notices n where n.connection_id = c.id and n.kind = 'connection_trouble') as told
      from connections c
      where c.id = ${connectionId} and ${isToldNow()}
    `,
  );
  if (found === undefined) return false;
  const { name, status, failure, since, told } = found;
  const written = await writeNotice(tx, {
    kind: 'connection_trouble',
    dedupeKey: `connection_trouble:${connectionId}:${told + 1}`,
    connectionId,
    data: {
      connection: { id: connectionId, name },
      status,
      error: failure === null ? null : { code: failure.code, detail: failure.detail ?? null },
      since,
    },
  });
  return written !== null;
}

/**
 * Whether trouble of the connection `c` is to be told now. What keeps it back is a notice of less than a day ago, and an
 * open one that says as much. One that says that Meterline tries again does not stand for one that a person must act on.
 */
function isToldNow(): SQL {
  return sql`
    c.status in ('degraded', 'awaiting_key')
    -- Null after a sync succeeded, until the workflow has set the status.
    and c.troubled_at is not null
    and (c.status = 'awaiting_key' or c.troubled_at <= now() - ${interval(TROUBLE_TOLD_AFTER_MS)})
    and not exists (
      select from notices n
      where n.connection_id = c.id and n.kind = 'connection_trouble'
        and (
          n.opened_at > now() - ${interval(TROUBLE_AT_MOST_EVERY_MS)}
          or (n.closed_at is null and (n.data ->> 'status' = 'awaiting_key' or c.status = 'degraded'))
        )
    )
  `;
}

/** Tells that the trouble with a connection is over, if people were told of it. Belongs in the transaction that ends it. */
export async function tellRecovery(tx: Db, connection: { id: string; name: string }): Promise<void> {
  const { id: connectionId, name } = connection;
  const open = await tx
    .select({ id: notices.id, since: sql<string>`${notices.data} ->> 'since'` })
    .from(notices)
    .where(
      and(eq(notices.connectionId, connectionId), eq(notices.kind, 'connection_trouble'), isNull(notices.closedAt)),
    )
    .orderBy(desc(notices.no));
  const oldest = open.at(-1);
  if (oldest === undefined) return;
  for (const { id } of open) await closeNotice(tx, id);
  await writeNotice(tx, {
    kind: 'connection_recovered',
    dedupeKey: `connection_recovered:${oldest.id}`,
    connectionId,
    data: { connection: { id: connectionId, name }, since: oldest.since },
  });
}

function interval(ms: number): SQL {
  return sql`make_interval(secs => ${ms / 1000})`;
}
