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
  /** By key. Each text is at most as long as {@link WORKSPACE_LENGTHS} says, and none is empty. */
  readonly tags: ReadonlyMap<string, string>;
  /** Everything that Anthropic reports about it, unknown fields included. */
  readonly reported: Json;
}

/**
 * Stores workspaces as Anthropic lists them, the last of several entries with the same id. One that is no longer listed
 * keeps its row, its names and its tags, since its costs keep its id. New names and tags are first seen on the UTC day of
 * Postgres's clock. The same list again changes nothing but `read_at`. Throws {@link ConnectionGoneError}.
 */
export async function saveWorkspaces(db: Db, connectionId: string, listed: readonly ReadWorkspace[]): Promise<void> {
  const last = [...new Map(listed.map((workspace) => [workspace.id, workspace])).values()];
  await db.transaction(async (tx) => {
    if ((await shareLive(tx, connectionId)) === null) throw new ConnectionGoneError(connectionId);
    if (last.length === 0) return;
    // The rows of `workspaces` stay locked until the end, so overlapping syncs write names and tags one after the other,
    // and each of the later statements sees what the other sync wrote.
    await saveRows(tx, connectionId, last);
    await saveNames(tx, connectionId, last);
    await saveTags(tx, connectionId, last);
  });
}

async function saveRows(tx: Db, connectionId: string, listed: readonly ReadWorkspace[]): Promise<void> {
  // The order by id keeps overlapping syncs from deadlocking.
  await tx.execute(sql`
    insert into workspaces (connection_id, id, name, created_at, archived_at, reported)
    select ${connectionId}::uuid, w.id, w.name, w.created_at::timestamptz, w.archived_at::timestamptz, w.reported::jsonb
    from unnest(
      ${textArray(listed.map(({ id }) => id))},
      ${textArray(listed.map(({ name }) => name))},
      ${textArray(listed.map(({ createdAt }) => createdAt))},
      ${textArray(listed.map(({ archivedAt }) => archivedAt))},
      ${textArray(listed.map(({ reported }) => JSON.stringify(reported)))}
    ) as w(id, name, created_at, archived_at, reported)
    order by w.id
    on conflict (connection_id, id) do update set
      name = excluded.name,
      created_at = excluded.created_at,
      archived_at = excluded.archived_at,
      reported = excluded.reported,
      read_at = now()
  `);
}

/** Adds a name wherever the one listed differs from the last one stored. */
async function saveNames(tx: Db, connectionId: string, listed: readonly ReadWorkspace[]): Promise<void> {
  await tx.execute(sql`
    insert into workspace_names (connection_id, workspace_id, name, first_seen)
    select w.connection_id, w.id, w.name, ${TODAY}
    from workspaces w
    where w.connection_id = ${connectionId}
      and w.id = any(${textArray(listed.map(({ id }) => id))})
      and w.name is distinct from (
        select n.name from workspace_names n
        where n.connection_id = w.connection_id and n.workspace_id = w.id
        order by n.id desc
        limit 1
      )
  `);
}

/** Replaces the tags of workspaces. A tag that keeps its value keeps the day on which it was first seen. */
async function saveTags(tx: Db, connectionId: string, listed: readonly ReadWorkspace[]): Promise<void> {
  const tags = listed.flatMap(({ id, tags: own }) => [...own].map(([key, value]) => ({ id, key, value })));
  const given = sql`unnest(
    ${textArray(tags.map(({ id }) => id))}, ${textArray(tags.map(({ key }) => key))}, ${textArray(tags.map(({ value }) => value))}
  ) as g(workspace_id, key, value)`;
  await tx.execute(sql`
    delete from workspace_tags t
    where t.connection_id = ${connectionId}
      and t.workspace_id = any(${textArray(listed.map(({ id }) => id))})
      and not exists (select from ${given} where g.workspace_id = t.workspace_id and g.key = t.key)
  `);
  await tx.execute(sql`
    insert into workspace_tags as t (connection_id, workspace_id, key, value, first_seen)
    select ${connectionId}::uuid, g.workspace_id, g.key, g.value, ${TODAY} from ${given}
    on conflict (connection_id, workspace_id, key) do update set
      value = excluded.value,
      first_seen = excluded.first_seen
    where t.value <> excluded.value
  `);
}

/** The UTC day of Postgres's clock. */
const TODAY = sql`(now() at time zone 'UTC')::date`;

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
