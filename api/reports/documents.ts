import type { z } from 'zod';
import { newestConnections } from '../../db/connections/newest.ts';
import { channelsLeft, type ReportInfo } from '../../db/reports/reports.ts';
import { REPORT_QUERY } from '../../db/reports/numbers.ts';
import { ParameterError } from '../../domain/spend/parameters.ts';
import { connectionsNamed } from '../../domain/spend/missed-connections.ts';
import type { Filter } from '../../domain/spend/query.ts';
import { readStoredQuery, type ReadQuery, type StoredQuery } from '../../domain/spend/stored-query.ts';
import { reportScheduleId } from '../../workflows/report-schedule.ts';
import { filterWarnings } from '../spend/stored-query.ts';
import { scheduleUrl } from '../http/documents.ts';
import type { Deps } from '../http/endpoint.ts';
import { TemporalUnavailableError, type ShownSchedule } from '../http/temporal.ts';
import type { report as reportOut } from './schemas.ts';

/** Reports as they are shown. Temporal is asked once for all of them, and need not answer. */
export async function reportDocuments(deps: Deps, infos: readonly ReportInfo[]): Promise<z.input<typeof reportOut>[]> {
  const [only, ...others] = infos;
  if (only === undefined) return [];
  const { db, temporal } = deps;
  const schedules = await orUnknown(deps, () =>
    others.length === 0
      ? temporal.findSchedule(only.id).then((found) => (found === null ? [] : [found]))
      : temporal.listSchedules(),
  );
  const newest = await newestConnections(db, connectionsNamed(infos.flatMap(({ query }) => filtersIn(query))));
  return Promise.all(infos.map((info) => reportDocument(deps, info, schedules, newest)));
}

async function reportDocument(
  deps: Deps,
  info: ReportInfo,
  schedules: readonly ShownSchedule[],
  newest: ReadonlyMap<string, string>,
): Promise<z.input<typeof reportOut>> {
  const id = reportScheduleId(info.id);
  const schedule = schedules.find((one) => one.id === id) ?? null;
  return {
    id: info.id,
    name: info.name,
    every: info.every,
    hour: info.hour,
    time_zone: info.timeZone,
    query: listed(info.query),
    channels: info.channelIds === null ? null : [...info.channelIds],
    attention: await attentionOf(deps, info),
    warnings: filterWarnings(filtersIn(info.query), newest, 'query'),
    created_at: info.createdAt.toISOString(),
    created_by: info.createdBy,
    schedule:
      schedule === null ? null : { id, paused: schedule.isPaused, next_run_at: schedule.nextAt?.toISOString() ?? null },
    last:
      info.last === null
        ? null
        : { period: { ...info.last.period }, notice_id: info.last.noticeId, at: info.last.at.toISOString() },
    temporal: { schedule_id: id, url: scheduleUrl(deps.settings, id) },
  };
}

/** What keeps a report from being told, in words; null if nothing does. */
async function attentionOf({ db }: Deps, { query, channelIds }: ReportInfo): Promise<string | null> {
  const read = readAgain(query);
  if (read instanceof ParameterError) {
    return `Its query is not valid any more: ${read.message}. Give it another one.`;
  }
  if (channelIds === null || (await channelsLeft(db, channelIds, { enabled: true })).length > 0) return null;
  return 'Every channel of this report was deleted or disabled, so it reaches nobody. Give it other channels.';
}

function readAgain(query: StoredQuery): ReadQuery | ParameterError {
  try {
    return readStoredQuery(query, REPORT_QUERY);
  } catch (error) {
    if (error instanceof ParameterError) return error;
    throw error;
  }
}

/** None of a query that is not valid any more. */
function filtersIn(query: StoredQuery): readonly Filter[] {
  const read = readAgain(query);
  return read instanceof ParameterError ? [] : read.filters;
}

function listed(query: ReportInfo['query']): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, typeof value === 'string' ? [value] : [...value]]),
  );
}

async function orUnknown(
  { log }: Deps,
  look: () => Promise<readonly ShownSchedule[]>,
): Promise<readonly ShownSchedule[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof TemporalUnavailableError)) throw error;
    log.warn({ reason: error.reason }, 'Temporal does not answer: reports are shown without their Schedules');
    return [];
  }
}
