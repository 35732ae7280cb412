import { sql } from 'drizzle-orm';
import type { Json } from '../../domain/lines.ts';
import { textArray, type Db } from '../core/database.ts';
import { ConnectionGoneError, shareLive } from './live.ts';

/** A workspace as Anthropic lists it. */
export interface ReadWorkspace {
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string | null;
  readonly archivedAt: string | null;
  /** The whole of it as reported, unknown fields included. */
  readonly reported: Json;
}

/**
 * Stores workspaces as last listed. One that is no longer listed keeps its row, since its costs keep its id.
 * Throws {@link ConnectionGoneError}.
 */
export async function saveWorkspaces(db: Db, connectionId: string, listed: readonly ReadWorkspace[]): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await shareLive(tx, connectionId)) === null) throw new ConnectionGoneError(connectionId);
    // One that is listed twice is one, and one order lets overlapping syncs not wait for each other in a circle.
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
