import { and, eq, sql } from 'drizzle-orm';
import type { Json } from '../../domain/lines.ts';
import { textArray, type Db } from '../core/database.ts';
import { connections, workspaces } from '../schema.ts';
import { NO_FAILURE } from './failure.ts';
import { ConnectionGoneError, shareLive } from './live.ts';

/** A workspace as Anthropic lists it. */
export interface ReadWorkspace {
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string | null;
  readonly archivedAt: string | null;
  /** Everything that Anthropic reports about it, unknown fields included. */
  readonly reported: Json;
}

/**
 * Stores workspaces as Anthropic lists them. One that is no longer listed keeps its row, since its costs keep its id.
 * Throws {@link ConnectionGoneError}.
 */
export async function saveWorkspaces(db: Db, connectionId: string, listed: readonly ReadWorkspace[]): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await shareLive(tx, connectionId)) === null) throw new ConnectionGoneError(connectionId);
    // `distinct on` takes the last of duplicates. The order by id keeps overlapping syncs from deadlocking.
    await tx.execute(sql`
      insert into workspaces (connection_id, id, name, created_at, archived_at, reported)
      select distinct on (w.id)
        ${connectionId}::uuid, w.id, w.name, w.created_at::timestamptz, w.archived_at::timestamptz, w.reported::jsonb
      from unnest(
        ${textArray(listed.map(({ id }) => id))},
        ${textArray(listed.map(({ name }) => name))},
        ${textArray(listed.map(({ createdAt }) => createdAt))},
        ${textArray(listed.map(({ archivedAt }) => archivedAt))},
        ${textArray(listed.map(({ reported }) => JSON.stringify(reported)))}
      ) with ordinality as w(id, name, created_at, archived_at, reported, place)
      order by w.id, w.place desc
      on conflict (connection_id, id) do update set
        name = excluded.name,
        created_at = excluded.created_at,
        archived_at = excluded.archived_at,
        reported = excluded.reported,
        read_at = now()
    `);
  });
}

/** Records that the workspaces of a connection were read for the first time. Clears its failure. */
export async function recordDiscovery(db: Db, connectionId: string): Promise<void> {
  await db
    .update(connections)
    .set({ discoveredAt: sql`now()`, ...NO_FAILURE })
    .where(eq(connections.id, connectionId));
}

/** The workspaces of a connection by name, then id; `after` is the id of the last one seen. */
export async function listWorkspaces(
  db: Db,
  connectionId: string,
  page: { after: string | null; limit: number },
): Promise<{ id: string; name: string; createdAt: Date | null; archivedAt: Date | null; readAt: Date }[]> {
  const position = sql`(${workspaces.name} collate "C", ${workspaces.id} collate "C")`;
  const seen = sql`(
    select seen.name, seen.id from workspaces seen where seen.connection_id = ${connectionId} and seen.id = ${page.after}
  )`;
  return db
    .select({
      id: workspaces.id,
      name: workspaces.name,
      createdAt: workspaces.createdAt,
      archivedAt: workspaces.archivedAt,
      readAt: workspaces.readAt,
    })
    .from(workspaces)
    .where(and(eq(workspaces.connectionId, connectionId), page.after === null ? undefined : sql`${position} > ${seen}`))
    .orderBy(sql`${workspaces.name} collate "C"`, sql`${workspaces.id} collate "C"`)
    .limit(page.limit);
}
