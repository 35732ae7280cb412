import { z } from 'zod';
import type { CostGroup, GroupKey, SpendQuery } from '../../db/spend/spend.ts';
import type { Day, DayRange } from '../../domain/days.ts';
import { decodeCursor, encodeCursor, positionText } from '../http/cursor.ts';
import type { Deps } from '../http/endpoint.ts';
import { day } from '../http/inputs.ts';
import { findConnection, todayOf } from '../connections/lookups.ts';
import { contradiction } from '../http/problems.ts';
import { checkedRange } from './range.ts';
import type { groupFields as groupSchemas } from './schemas.ts';

const MAX_DAYS = 1100;
const DEFAULT_WORKSPACE = 'Default workspace';

type GroupFields = z.input<z.ZodObject<typeof groupSchemas>>;

/** What a request for costs or usage asks for. */
export interface SpendRequest<Group extends CostGroup> {
  readonly connection_id?: string | undefined;
  readonly from?: Day | undefined;
  readonly to?: Day | undefined;
  readonly group_by: readonly Group[];
  readonly limit: number;
  readonly after?: string | undefined;
}

const position = z.strictObject({
  from: day,
  to: day,
  group_by: z.string(),
  key: z.array(positionText.nullable()),
});

/**
 * The query that a request stands for, with one row more than its page. A cursor carries the range that its first page
 * had, so that paging over midnight goes on in the same days.
 */
export async function spendQueryOf<Group extends CostGroup>(
  deps: Deps,
  asked: SpendRequest<Group>,
): Promise<SpendQuery<Group> & DayRange> {
  const connectionId = asked.connection_id === undefined ? null : (await findConnection(deps, asked.connection_id)).id;
  const today = todayOf(deps);
  const seen = asked.after === undefined ? null : decodeCursor(asked.after, position);
  const range = checkedRange({ from: asked.from ?? seen?.from, to: asked.to ?? seen?.to }, today, MAX_DAYS);
  const isOfAnother =
    seen !== null &&
    (seen.from !== range.from ||
      seen.to !== range.to ||
      seen.group_by !== asked.group_by.join() ||
      seen.key.length !== asked.group_by.length);
  if (isOfAnother) throw contradiction('query.after', 'belongs to a query with another range or group_by');
  return { connectionId, ...range, today, groupBy: asked.group_by, after: seen?.key ?? null, limit: asked.limit + 1 };
}

/** Where the page after the row with this key starts. */
export function nextCursor(query: SpendQuery<CostGroup>, key: GroupKey): string {
  return encodeCursor({ from: query.from, to: query.to, group_by: query.groupBy.join(), key });
}

/** The value of one of the columns that a row is grouped by; undefined where it is not grouped by that. */
export function valueOf(groupBy: readonly CostGroup[], key: GroupKey, group: CostGroup): string | null | undefined {
  const index = groupBy.indexOf(group);
  return index < 0 ? undefined : (key[index] ?? null);
}

/** The fields that rows of both reports have: ids of workspace and connection with names, all else as reported. */
export function groupFields(
  groupBy: readonly CostGroup[],
  row: { readonly key: GroupKey; readonly workspaceName: string | null; readonly connectionName: string | null },
): GroupFields {
  const value = (group: CostGroup): string | null | undefined => valueOf(groupBy, row.key, group);
  const [workspaceId, connectionId] = [value('workspace'), value('connection') ?? undefined];
  return {
    day: value('day') ?? undefined,
    month: value('month') ?? undefined,
    connection: connectionId === undefined ? undefined : { id: connectionId, name: row.connectionName ?? connectionId },
    workspace:
      workspaceId === undefined
        ? undefined
        : { id: workspaceId, name: row.workspaceName ?? workspaceId ?? DEFAULT_WORKSPACE },
    model: value('model'),
    context_window: value('context_window'),
    service_tier: value('service_tier'),
    inference_geo: value('inference_geo'),
  };
}
