import { z } from 'zod';
import type { CostGroup, GroupKey, SpendQuery } from '../../db/spend/groups.ts';
import type { Day, DayRange } from '../../domain/days.ts';
import { DEFAULT_WORKSPACE } from '../../domain/workspaces.ts';
import { decodeCursor, encodeCursor, positionText } from '../http/cursor.ts';
import type { Deps } from '../http/endpoint.ts';
import { findConnection, todayOf } from '../connections/lookups.ts';
import { contradiction } from '../http/problems.ts';
import { rangeOf } from '../http/range.ts';
import { dayIn } from '../http/schemas.ts';
import type { groupFields as groupSchemas } from './schemas.ts';

/** The longest range of days that a query may sum up. */
export const MAX_DAYS = 1100;

type GroupFields = z.input<z.ZodObject<typeof groupSchemas>>;

/** The query parameters of costs and of usage. */
export interface SpendRequest<Group extends CostGroup> {
  readonly connection_id?: string | undefined;
  readonly from?: Day | undefined;
  readonly to?: Day | undefined;
  readonly group_by: readonly Group[];
  readonly limit: number;
  readonly after?: string | undefined;
}

const position = z.strictObject({
  from: dayIn,
  to: dayIn,
  group_by: z.string(),
  key: z.array(positionText.nullable()),
});

/**
 * The query of a request, with one row more than its page. A cursor carries the range of its first page, so that a client
 * that pages past midnight stays in the same days.
 */
export async function spendQueryOf<Group extends CostGroup>(
  deps: Deps,
  request: SpendRequest<Group>,
): Promise<SpendQuery<Group> & DayRange> {
  const connectionId =
    request.connection_id === undefined ? null : (await findConnection(deps, request.connection_id)).id;
  const today = todayOf(deps);
  const cursor = request.after === undefined ? null : decodeCursor(request.after, position);
  const range = rangeOf({ from: request.from ?? cursor?.from, to: request.to ?? cursor?.to }, today, MAX_DAYS);
  const isOfAnotherQuery =
    cursor !== null &&
    (cursor.from !== range.from ||
      cursor.to !== range.to ||
      cursor.group_by !== request.group_by.join() ||
      cursor.key.length !== request.group_by.length);
  if (isOfAnotherQuery) throw contradiction('query.after', 'belongs to a query with another range or group_by');
  return {
    connectionId,
    ...range,
    today,
    groupBy: request.group_by,
    after: cursor?.key ?? null,
    limit: request.limit + 1,
  };
}

/** The cursor of the page that begins after the row with this key. */
export function nextCursor(query: SpendQuery<CostGroup>, key: GroupKey): string {
  return encodeCursor({ from: query.from, to: query.to, group_by: query.groupBy.join(), key });
}

/** The value of a row in one group; undefined if the query does not group by it. */
export function valueOf(groupBy: readonly CostGroup[], key: GroupKey, group: CostGroup): string | null | undefined {
  const index = groupBy.indexOf(group);
  return index < 0 ? undefined : (key[index] ?? null);
}

/** The group fields that rows of costs and of usage share. Workspaces and connections get their names. */
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
