import { z } from 'zod';
import { deliveriesOf, findNotice } from '../../db/notices/lists.ts';
import {
  ReportNameTakenError,
  changeReport,
  channelsLeft,
  createReport,
  deleteReport,
  findReport,
  listReports,
  type ReportInfo,
} from '../../db/reports/reports.ts';
import { tellReport } from '../../db/reports/tell.ts';
import { REPORT_QUERY } from '../../db/reports/numbers.ts';
import { lastPeriodOver } from '../../domain/reports/periods.ts';
import { ParameterError } from '../../domain/spend/parameters.ts';
import { readStoredQuery } from '../../domain/spend/stored-query.ts';
import { storedId } from '../connections/lookups.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { deliveryDocument, noticeDocument } from '../notices/documents.ts';
import { startDelivery } from '../notices/start.ts';
import { checkConnections } from '../spend/stored-query.ts';
import { tellOrDefer } from '../temporal.ts';
import { reportDocuments } from './documents.ts';
import { newReport, report, reportChange, reportList, reportRun, reportsQuery } from './schemas.ts';

const tag = 'Reports';

const create = endpoint({
  method: 'post',
  path: '/v1/reports',
  tag,
  operation: 'createReport',
  summary: 'Creates a report, which tells the costs of each day, week or month from now on',
  description:
    'It is a Schedule in Temporal, where people trigger, pause and resume it. Without `query`, it tells all costs by model.',
  role: 'admin',
  query: nothing,
  body: newReport,
  out: report,
  statuses: { 201: 'The report.' },
  problems: ['conflict'],
  handle: async ({ body, actor }, deps) => {
    const query = body.query ?? readStoredQuery({}, REPORT_QUERY);
    await checkConnections(deps, query, 'body.query');
    const settings = {
      name: body.name,
      every: body.every,
      hour: body.hour,
      timeZone: body.time_zone,
      query: query.canonical,
      channelIds: (await knownChannels(deps, body.channels)) ?? null,
    };
    const id = await createReport(deps.db, settings, actor).catch(throwProblem);
    deps.log.info({ report: id, actor }, 'a report is created');
    await putSchedule(deps, id);
    return { status: 201, body: await shown(deps, id), location: `/v1/reports/${id}` };
  },
});

const list = endpoint({
  method: 'get',
  path: '/v1/reports',
  tag,
  operation: 'listReports',
  summary: 'Lists the reports, newest first',
  query: reportsQuery,
  body: nothing,
  out: reportList,
  statuses: { 200: 'A page of reports.' },
  problems: ['conflict'],
  handle: async ({ query: { limit, after } }, deps) => {
    const from = after === undefined ? null : decodeCursor(after, z.int());
    const found = await listReports(deps.db, { after: from, limit: limit + 1 });
    const { page, next } = pageOf(found, limit, ({ no }) => no);
    return { status: 200, body: { data: await reportDocuments(deps, page), next } };
  },
});

const read = endpoint({
  method: 'get',
  path: '/v1/reports/:id',
  tag,
  operation: 'getReport',
  summary: 'Reads a report, with what it told last and when it is due next',
  query: nothing,
  body: nothing,
  out: report,
  statuses: { 200: 'The report.' },
  problems: [],
  handle: async ({ id }, deps) => ({ status: 200, body: await shown(deps, storedId(id)) }),
});

const change = endpoint({
  method: 'patch',
  path: '/v1/reports/:id',
  tag,
  operation: 'changeReport',
  summary: 'Changes a report; what is not given stays',
  description: '`query` and `channels` replace what was there. A Schedule that is paused stays paused.',
  role: 'admin',
  query: nothing,
  body: reportChange,
  out: report,
  statuses: { 200: 'The report as it is now.' },
  problems: ['conflict'],
  handle: async ({ id: given, body, actor }, deps) => {
    const id = storedId(given);
    await existing(deps, id);
    if (body.query !== undefined) await checkConnections(deps, body.query, 'body.query');
    const { name, every, hour, time_zone: timeZone, query } = body;
    const channelIds = await knownChannels(deps, body.channels);
    const changed = { name, every, hour, timeZone, query: query?.canonical, channelIds };
    if (!(await changeReport(deps.db, id, changed, actor).catch(throwProblem))) throw new Problem('not_found');
    deps.log.info({ report: id, actor }, 'a report is changed');
    await putSchedule(deps, id);
    return { status: 200, body: await shown(deps, id) };
  },
});

const remove = endpoint({
  method: 'delete',
  path: '/v1/reports/:id',
  tag,
  operation: 'deleteReport',
  summary: 'Deletes a report and its Schedule',
  description: 'What it told stays, and what is on its way is still delivered.',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: nothing,
  statuses: { 204: 'The report is deleted.' },
  problems: [],
  handle: async ({ id: given, actor }, deps) => {
    const id = storedId(given);
    if (!(await deleteReport(deps.db, id, actor))) throw new Problem('not_found');
    deps.log.info({ report: id, actor }, 'a report is deleted');
    await tellOrDefer(deps.log, { report: id }, () => deps.temporal.deleteSchedule(id));
    return { status: 204, body: {} };
  },
});

const run = endpoint({
  method: 'post',
  path: '/v1/reports/:id/run',
  tag,
  operation: 'runReport',
  summary: 'Tells a report now, of the last period that is over in UTC',
  description:
    'It does not wait for a sync: what is missing is named. A period that was told already is not told again; the reply has its notice and its deliveries.',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: reportRun,
  statuses: { 200: 'The period was told before.', 202: 'The period is told; the deliveries are on their way.' },
  problems: ['conflict'],
  inTurn: true,
  handle: async ({ id: given, actor }, deps) => {
    const { db, settings } = deps;
    const found = await existing(deps, storedId(given));
    const nowMs = settings.now();
    const period = lastPeriodOver(found.every, found.timeZone, nowMs);
    const told = await tellReport(db, found, period, { nowMs, actor }).catch(throwProblem);
    if (told === null) throw new Problem('not_found');
    const notice = await findNotice(db, told.noticeId);
    if (notice === null) throw new Problem('not_found');
    const deliveries = await deliveriesOf(db, [told.noticeId]);
    if (told.isNew) {
      deps.log.info({ report: found.id, notice: told.noticeId, actor }, 'a report is told');
      await Promise.all(deliveries.map((delivery) => startDelivery(deps, delivery, false)));
    }
    return {
      status: told.isNew ? 202 : 200,
      body: { period, notice: noticeDocument(notice, deliveries), deliveries: deliveries.map(deliveryDocument) },
    };
  },
});

/** Makes or changes the Schedule of a stored report. While Temporal is down, a worker does it later. */
async function putSchedule(deps: Deps, id: string): Promise<void> {
  const found = await findReport(deps.db, id);
  if (found === null) return;
  await tellOrDefer(deps.log, { report: id }, () => deps.temporal.putSchedule(found));
}

/** The channels of a body, each once; undefined if it says nothing. Throws `conflict` for one that does not exist. */
async function knownChannels(
  { db }: Deps,
  given: readonly string[] | null | undefined,
): Promise<readonly string[] | null | undefined> {
  if (given === undefined || given === null) return given;
  const ids = [...new Set(given.map((id) => id.toLowerCase()))];
  if ((await channelsLeft(db, ids)).length < ids.length) {
    throw contradiction('body.channels', 'names a channel that does not exist; GET /v1/channels lists them');
  }
  return ids;
}

async function existing({ db }: Deps, id: string): Promise<ReportInfo> {
  const found = await findReport(db, id);
  if (found === null) throw new Problem('not_found');
  return found;
}

async function shown(deps: Deps, id: string): Promise<z.input<typeof report>> {
  const [document] = await reportDocuments(deps, [await existing(deps, id)]);
  if (document === undefined) throw new Problem('not_found');
  return document;
}

function throwProblem(error: unknown): never {
  if (error instanceof ReportNameTakenError) throw new Problem('conflict', { detail: error.message });
  if (error instanceof ParameterError) {
    throw new Problem('conflict', { detail: `The query of the report is not valid any more: ${error.message}.` });
  }
  throw error;
}

/** What is told again and again. */
export const reportRoutes = [create, list, read, change, remove, run];
