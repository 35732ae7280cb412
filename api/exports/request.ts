import type { z } from 'zod';
import type { Db } from '../../db/core/database.ts';
import { openAllocatedExport, openFocusExport, type FocusExport } from '../../db/focus/export.ts';
import type { FocusQuery } from '../../db/focus/query.ts';
import { MAX_QUERY_DAYS, type Day, type DayRange } from '../../domain/days.ts';
import type { FocusProfile } from '../../domain/focus/columns.ts';
import { factsOf, type FocusFacts } from '../../domain/focus/metadata.ts';
import { daysOfMonth, monthOf } from '../../domain/months.ts';
import { problemWithDigits, type FocusFormat } from '../../exports/focus.ts';
import { todayOf } from '../connections/lookups.ts';
import type { Deps } from '../http/endpoint.ts';
import { contradiction, invalid } from '../http/problems.ts';
import { rangeOf } from '../http/range.ts';
import { connectionsOf } from '../spend/request.ts';
import type { focusQuery } from './schemas.ts';

/** What a request asks for. */
export interface FocusRequest {
  readonly profile: FocusProfile;
  readonly format: FocusFormat;
  readonly query: FocusQuery;
}

/** Reads a request. Throws `invalid_request` for a range that cannot be, and `not_found` for an unknown connection. */
export async function focusRequestOf(
  deps: Deps,
  asked: z.output<typeof focusQuery>,
  format: FocusFormat,
): Promise<FocusRequest> {
  const today = todayOf(deps);
  const isAllocated = asked.allocated === 'true';
  const range = isAllocated ? wholeMonthsOf(asked, today) : rangeOf(asked, today, MAX_QUERY_DAYS, invalid);
  return {
    profile: { version: asked.version, isAllocated },
    format,
    query: { ...range, today, connections: await connectionsOf(deps, asked.connection_id) },
  };
}

/** Cost centers have sums of months, which days would tear apart. */
function wholeMonthsOf(
  { from, to }: { readonly from?: Day | undefined; readonly to?: Day | undefined },
  today: Day,
): DayRange {
  const last = to ?? daysOfMonth(monthOf(today)).to;
  const range = rangeOf({ from: from ?? daysOfMonth(monthOf(last)).from, to: last }, today, MAX_QUERY_DAYS, invalid);
  if (daysOfMonth(monthOf(range.from)).from !== range.from) {
    throw invalid('query.from', 'must be the first day of a month with allocated=true');
  }
  if (daysOfMonth(monthOf(range.to)).to !== range.to) {
    throw invalid('query.to', 'must be the last day of a month with allocated=true');
  }
  return range;
}

/** Opens what a request asks for. Throws `conflict` where Parquet cannot hold the amounts. Must run in a snapshot. */
export async function openExport(
  tx: Db,
  { profile, format, query }: FocusRequest,
): Promise<FocusExport & { readonly facts: FocusFacts }> {
  const opened = profile.isAllocated ? await openAllocatedExport(tx, query) : await openFocusExport(tx, query);
  const problem = problemWithDigits(format, opened);
  if (problem !== null) throw contradiction('query.format', problem);
  return { ...opened, facts: factsOf(profile, query, opened) };
}
