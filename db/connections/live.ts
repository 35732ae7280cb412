import { eq, inArray, sql, type SQL } from 'drizzle-orm';
import type { Day } from '../../domain/days.ts';
import type { Failure } from '../../domain/failures.ts';
import { LIVE_STATUSES, isLive, type Status } from '../../domain/connection/statuses.ts';
import { textArray, type Db } from '../core/database.ts';
import { connections } from '../schema.ts';

/** The connection was disconnected, refused or deleted, so nothing more is stored for it. */
export class ConnectionGoneError extends Error {
  override readonly name = 'ConnectionGoneError';
  constructor(readonly connectionId: string) {
    super('The connection has ended, so nothing more is stored for it');
  }
}

/** The columns of a connection that a change to it depends on. */
export interface ConnectionState {
  readonly name: string;
  readonly status: Status;
  readonly organizationId: string | null;
  readonly failure: Failure | null;
  /** The first day to cover. */
  readonly began: Day;
  /** The UTC day on which the connection ended; null while it lives. */
  readonly endedOn: Day | null;
  readonly isPurged: boolean;
}

const STATE = {
  name: connections.name,
  status: connections.status,
  organizationId: connections.organizationId,
  failure: connections.failure,
  began: connections.began,
  endedOn: sql<Day | null>`(${connections.endedAt} at time zone 'UTC')::date::text`,
  isPurged: sql<boolean>`${connections.purgedAt} is not null`,
};

/** The state of a connection, ended or not; null if it does not exist. */
export async function loadConnectionState(db: Db, connectionId: string): Promise<ConnectionState | null> {
  const [found] = await db.select(STATE).from(connections).where(eq(connections.id, connectionId));
  return found ?? null;
}

/**
 * Locks a connection for a change, one change at a time. Null if it has ended or does not exist. Strength `update` is
 * for the end of a connection: it also waits for those who hold {@link shareLive}.
 */
export async function lockLive(
  tx: Db,
  connectionId: string,
  strength: 'no key update' | 'update' = 'no key update',
): Promise<ConnectionState | null> {
  const [found] = await tx.select(STATE).from(connections).where(eq(connections.id, connectionId)).for(strength);
  return found !== undefined && isLive(found.status) ? found : null;
}

/**
 * Locks a connection against a disconnect until the transaction ends. Null if it has ended or does not exist. Holders
 * do not wait for each other nor for changes of status; a disconnect waits for them.
 */
export async function shareLive(tx: Db, connectionId: string): Promise<Status | null> {
  const [found] = await tx
    .select({ status: connections.status })
    .from(connections)
    .where(eq(connections.id, connectionId))
    .for('key share');
  return found !== undefined && isLive(found.status) ? found.status : null;
}

/**
 * The same lock as {@link shareLive}, as a part of another statement. Gives the id, or no row if the connection ended.
 */
export function sharingLive(connectionId: string): SQL {
  return sql`select id from connections where id = ${connectionId} and status = any(${textArray(LIVE_STATUSES)}) for key share`;
}

/** Those of these ids that connections have, ended ones too. */
export async function existingConnections(db: Db, ids: readonly string[]): Promise<string[]> {
  const found = await db
    .select({ id: connections.id })
    .from(connections)
    .where(inArray(connections.id, [...ids]));
  return found.map(({ id }) => id);
}
