import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import {
  isGrain,
  tagOf,
  type Dimension,
  type Filter,
  type Grain,
  type Group,
  type GroupKey,
  type NamedDimension,
  type SpendQuery,
} from '../../domain/spend/query.ts';
import { list, textArray } from '../core/database.ts';

/** What lines are grouped by and filtered by, as parts of a statement over a table of series `s`. */

/** A row of a reply: its key, and the names that belong to ids in it. */
export interface GroupRow {
  readonly key: GroupKey;
  /** Null if the rows are not grouped by workspace, or the workspace has no known name. */
  readonly workspaceName: string | null;
  readonly connectionName: string | null;
}

/** The fields of {@link GroupRow} as Postgres answers them. */
export const groupRowFields = {
  key: z.array(z.string().nullable()),
  workspaceName: z.string().nullable(),
  connectionName: z.string().nullable(),
};

/** Columns of the tables of series. Each dimension but tags has one. */
const COLUMNS: Readonly<Record<NamedDimension, string>> = {
  connection: 'connection_id',
  workspace: 'workspace_id',
  model: 'model',
  token_type: 'token_type',
  context_window: 'context_window',
  service_tier: 'service_tier',
  inference_geo: 'inference_geo',
  cost_type: 'cost_type',
  description: 'description',
  currency: 'currency',
};

/**
 * The part `workspaces_now`: for each connection that is asked for, the workspaces of its organization as one of its
 * connections listed them last. Needs `asked`.
 */
export const WORKSPACES_NOW = sql`
  workspaces_now as materialized (
    select last.*, (
      select jsonb_object_agg(t.key, t.value) from workspace_tags t
      where t.connection_id = last.listed_by and t.workspace_id = last.workspace_id
    ) as tags
    from (
      select distinct on (a.id, w.id)
        a.id as connection_id, w.id as workspace_id, w.name, w.read_at, w.connection_id as listed_by
      from asked a join workspaces w on w.connection_id = any(a.siblings)
      order by a.id, w.id, w.read_at desc, w.connection_id
    ) last
  )
`;

/** Whether the filters of a query let a line of the series `s` through. Filters on connections choose what is `asked`. */
export function isCounted({ filters }: SpendQuery): SQL {
  const conditions = filters.filter(({ dimension }) => dimension !== 'connection').map(conditionOf);
  return conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `);
}

function conditionOf({ dimension, values, excludes }: Filter): SQL {
  const texts = textArray(values.filter((value) => value !== null));
  const takesNull = sql.raw(String(values.includes(null)));
  const isOneOf = hasTag(dimension)
    ? sql`(${isTagged(dimension, (value) => sql`${value} = any(${texts})`)} or (${takesNull} and not ${isTagged(dimension, (value) => sql`${value} is not null`)}))`
    : sql`case when ${columnOf(dimension)} is null then ${takesNull} else ${columnOf(dimension)} = any(${texts}) end`;
  return excludes ? sql`not (${isOneOf})` : isOneOf;
}

/** Whether the workspace of the series has the tag with such a value. */
function isTagged(dimension: Dimension, isSuch: (value: SQL) => SQL): SQL {
  return sql`coalesce((s.connection_id, s.workspace_id) in (
    select w.connection_id, w.workspace_id from workspaces_now w where ${isSuch(sql`(w.tags ->> ${tagOf(dimension)}::text)`)}
  ), false)`;
}

/** Whether a group is a tag of workspaces. */
export function hasTag(group: Group): group is `tag.${string}` {
  return tagOf(group) !== null;
}

/** The column of a dimension in a row of series, by default `s`. */
export function columnOf(dimension: NamedDimension, series = sql`s`): SQL {
  return sql`${series}.${sql.raw(COLUMNS[dimension])}`;
}

/**
 * The columns by which lines are added up first: numbers, ids and texts as they are stored, since anything else would be
 * slower. `l` has the `bucket` of {@link placedDays}. The key of a row is made of them.
 */
export function rawColumns(query: SpendQuery): SQL[] {
  return rawParts(query).map(({ name, from }) => sql`${from} as ${name}`);
}

/** The names of {@link rawColumns}. */
export function rawNames(query: SpendQuery): SQL[] {
  return rawParts(query).map(({ name }) => name);
}

function rawParts({ groupBy }: SpendQuery): { name: SQL; from: SQL }[] {
  const columns = groupBy
    .map((group, index) => ({ name: sql.raw(`g${index}`), group }))
    .filter(({ group }) => !hasTag(group));
  const own = columns.map(({ name, group }) => ({
    name,
    from: isGrain(group) ? sql`l.bucket` : hasTag(group) ? sql`null` : columnOf(group),
  }));
  // The connection says which organization a workspace belongs to, and so which tags it has.
  const ofTags = groupBy.some(hasTag)
    ? ['connection_id', 'workspace_id'].map((name) => ({ name: sql.raw(`of_${name}`), from: sql.raw(`s.${name}`) }))
    : [];
  return [...own, ...ofTags];
}

/** A table of rows with {@link rawColumns}, as the rest of a `from`: with the tags of their workspaces where needed. */
export function withTags({ groupBy }: SpendQuery, rows: SQL): SQL {
  if (!groupBy.some(hasTag)) return rows;
  return sql`${rows} left join workspaces_now w on w.connection_id = of_connection_id and w.workspace_id = of_workspace_id`;
}

/** The {@link GroupKey} of a row of {@link withTags}. */
export function keyOf({ groupBy }: SpendQuery): SQL {
  return sql`array[${list(keyElements(groupBy))}]::text[] collate "C"`;
}

/** The elements of {@link keyOf}, each as a text. */
export function keyElements(groupBy: readonly Group[]): SQL[] {
  return groupBy.map((group, index) => {
    const raw = sql.raw(`g${index}`);
    const tag = tagOf(group);
    if (tag !== null) return sql`(w.tags ->> ${tag}::text)`;
    if (isGrain(group)) return textOfBucket(group, raw);
    return sql`${raw}::text`;
  });
}

/** The element of a key that a day stands for: itself, the Monday of its week, or the month as `YYYY-MM`. */
export function textOfBucket(grain: Grain, bucket: SQL): SQL {
  return sql`to_char((${bucket})::timestamp, ${sql.raw(grain === 'month' ? "'YYYY-MM'" : "'YYYY-MM-DD'")})`;
}

/**
 * Whether a key follows the last one seen. Arrays compare element by element. A null element equals another null, follows
 * every text, and is not the empty text.
 */
export function isAfter({ after }: SpendQuery): SQL {
  return after === null ? sql`true` : sql`key > ${textArray(after)} collate "C"`;
}

/** The rest of a `from` that begins with rows `p` with a key: the names that belong to ids in it. */
export function withNames({ groupBy }: SpendQuery): SQL {
  const element = (group: Group): SQL => sql.raw(`p.key[${groupBy.indexOf(group) + 1}]`);
  const joins: SQL[] = [];
  if (groupBy.includes('workspace')) {
    joins.push(
      groupBy.includes('connection')
        ? sql`left join workspaces_now wn on wn.workspace_id = ${element('workspace')}
            and wn.connection_id::text = ${element('connection')}`
        : sql`left join (
            select distinct on (workspace_id) workspace_id, name from workspaces_now
            order by workspace_id, read_at desc, connection_id
          ) wn on wn.workspace_id = ${element('workspace')}`,
    );
  }
  if (groupBy.includes('connection')) joins.push(sql`left join asked cn on cn.id::text = ${element('connection')}`);
  return sql.join(joins, sql` `);
}

/** The fields of {@link GroupRow} as fields of a JSON object, for rows {@link withNames}. */
export function nameFields({ groupBy }: SpendQuery): SQL {
  return list([
    sql`'key', to_jsonb(p.key)`,
    sql`'workspaceName', ${groupBy.includes('workspace') ? sql`wn.name` : sql`null::text`}`,
    sql`'connectionName', ${groupBy.includes('connection') ? sql`cn.name` : sql`null::text`}`,
  ]);
}
