import { sql, type SQL } from 'drizzle-orm';
import type { Day } from '../../domain/days.ts';
import { list, textArray } from '../core/database.ts';

/** What costs can be grouped by. */
export const COST_GROUPS = [
  'day',
  'month',
  'connection',
  'workspace',
  'model',
  'token_type',
  'context_window',
  'service_tier',
  'inference_geo',
  'cost_type',
  'description',
  'currency',
] as const;
/** One of {@link COST_GROUPS}. */
export type CostGroup = (typeof COST_GROUPS)[number];

/** What usage can be grouped by. */
export const USAGE_GROUPS = [
  'day',
  'month',
  'connection',
  'workspace',
  'model',
  'service_tier',
  'context_window',
  'inference_geo',
] as const satisfies readonly CostGroup[];
/** One of {@link USAGE_GROUPS}. */
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** The values of the columns that a row is grouped by, in their order. Rows are sorted and paged by it. */
export type GroupKey = readonly (string | null)[];

/** What is added up, and which page of it is wanted. */
export interface SpendQuery<Group extends CostGroup> {
  /** Null: all connections together, each day of an organization once. Refused connections never count. */
  readonly connectionId: string | null;
  readonly from: Day;
  readonly to: Day;
  /** Later days are not missing yet. */
  readonly today: Day;
  readonly groupBy: readonly Group[];
  /** The key of the last row seen. */
  readonly after: GroupKey | null;
  readonly limit: number;
}

type Query = SpendQuery<CostGroup>;

/** A group: its column of a line or a day, and the text that stands for it in a key. Rows are in the order of that text. */
const GROUPS: Readonly<Record<CostGroup, { column: string; text: (column: SQL) => SQL }>> = {
  day: { column: 'd.day', text: (column) => sql`to_char(${column}, 'YYYY-MM-DD')` },
  month: { column: "date_trunc('month', d.day::timestamp)", text: (column) => sql`to_char(${column}, 'YYYY-MM')` },
  connection: { column: 'd.connection_id', text: (column) => sql`${column}::text` },
  workspace: { column: 's.workspace_id', text: (column) => column },
  model: { column: 's.model', text: (column) => column },
  token_type: { column: 's.token_type', text: (column) => column },
  context_window: { column: 's.context_window', text: (column) => column },
  service_tier: { column: 's.service_tier', text: (column) => column },
  inference_geo: { column: 's.inference_geo', text: (column) => column },
  cost_type: { column: 's.cost_type', text: (column) => column },
  description: { column: 's.description', text: (column) => column },
  currency: { column: 's.currency', text: (column) => column },
};

/** The columns to group by, named `g0`, `g1` and so on. They stay as they are stored, since texts would be slower to group. */
export function rawColumns({ groupBy }: Query): SQL {
  return list(groupBy.map((group, index) => sql.raw(`${GROUPS[group].column} as g${index}`)));
}

/** The names of {@link rawColumns}. */
export function rawNames({ groupBy }: Query): SQL {
  return list(groupBy.map((_, index) => sql.raw(`g${index}`)));
}

/** The {@link GroupKey} of a row with {@link rawColumns}. */
export function keyOf({ groupBy }: Query): SQL {
  return sql`array[${list(groupBy.map((group, index) => GROUPS[group].text(sql.raw(`g${index}`))))}]::text[] collate "C"`;
}

/**
 * Whether a row follows the last one seen. Arrays compare element by element. A null element equals another null, follows
 * every text, and is not the empty text.
 */
export function isAfter({ after }: Query): SQL {
  return after === null ? sql`true` : sql`key > ${textArray(after)} collate "C"`;
}

/** The names of the workspace and the connection in the key of the row `p`, as fields of a JSON object. */
export function nameFields({ groupBy }: Query): SQL {
  const element = (group: CostGroup): SQL => sql.raw(`p.key[${groupBy.indexOf(group) + 1}]`);
  const ofConnection = groupBy.includes('connection')
    ? sql`w.connection_id = ${element('connection')}::uuid`
    : sql`w.connection_id in (select id from asked)`;
  // An organization that was connected twice has its workspaces twice, maybe with other names.
  const workspaceName = sql`(
    select w.name from workspaces w
    where ${ofConnection} and w.id = ${element('workspace')}
    order by w.read_at desc
    limit 1
  )`;
  const connectionName = sql`(select c.name from connections c where c.id = ${element('connection')}::uuid)`;
  return list([
    sql`'workspaceName', ${groupBy.includes('workspace') ? workspaceName : sql`null`}`,
    sql`'connectionName', ${groupBy.includes('connection') ? connectionName : sql`null`}`,
  ]);
}
