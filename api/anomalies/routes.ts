import { z } from 'zod';
import { findIncident, giveFeedback, listIncidents, type IncidentInfo } from '../../db/anomalies/incidents.ts';
import { workspaceNames } from '../../db/anomalies/names.ts';
import { readSensitivity, setSensitivity } from '../../db/anomalies/settings.ts';
import { storedId } from '../connections/lookups.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { tellOrDefer } from '../temporal.ts';
import { anomalyDocument } from './documents.ts';
import { anomaliesQuery, anomaly, anomalyList, anomalySettings, newFeedback } from './schemas.ts';

const tag = 'Anomalies';

const list = endpoint({
  method: 'get',
  path: '/v1/anomalies',
  tag,
  operation: 'listAnomalies',
  summary: 'Lists what was unusual about the spend, newest first',
  description:
    'Found on settled days: those read after their end whose lines add up. A connection needs 14 of them before anything is called unusual.',
  query: anomaliesQuery,
  body: nothing,
  out: anomalyList,
  statuses: { 200: 'A page of anomalies.' },
  problems: ['conflict'],
  handle: async ({ query }, deps) => {
    const { connection_id: connectionId, state, kind, from, to, limit, after } = query;
    if (from !== undefined && to !== undefined && from > to) {
      throw contradiction('query.from', 'must not be later than "to"');
    }
    const position = after === undefined ? null : decodeCursor(after, z.int());
    const filter = { connectionId: connectionId?.toLowerCase(), state, kind, from, to };
    const found = await listIncidents(deps.db, filter, { after: position, limit: limit + 1 });
    const { page, next } = pageOf(found, limit, ({ no }) => no);
    return { status: 200, body: { data: await documentsOf(deps, page), next } };
  },
});

const read = endpoint({
  method: 'get',
  path: '/v1/anomalies/:id',
  tag,
  operation: 'getAnomaly',
  summary: 'Reads an anomaly',
  query: nothing,
  body: nothing,
  out: anomaly,
  statuses: { 200: 'The anomaly.' },
  problems: [],
  handle: async ({ id }, deps) => ({ status: 200, body: await shown(deps, storedId(id)) }),
});

const feedback = endpoint({
  method: 'post',
  path: '/v1/anomalies/:id/feedback',
  tag,
  operation: 'giveAnomalyFeedback',
  summary: 'Says whether an anomaly was expected, is real, or is wrong',
  description:
    'It decides about this anomaly and those like it from the next assessment on, which begins at once. `effect` in the reply says what it changes. The latest feedback counts; earlier ones stay in the events of the connection.',
  role: 'admin',
  query: nothing,
  body: newFeedback,
  out: anomaly,
  statuses: { 200: 'The anomaly with its feedback.' },
  problems: [],
  handle: async ({ id: given, body, actor }, deps) => {
    const id = storedId(given);
    const { feedback: said, note = null } = body;
    if (!(await giveFeedback(deps.db, id, { feedback: said, note, actor }))) throw new Problem('not_found');
    deps.log.info({ anomaly: id, feedback: said, actor }, 'feedback on an anomaly');
    await tellOrDefer(deps.log, { anomaly: id }, () => deps.temporal.assess());
    return { status: 200, body: await shown(deps, id) };
  },
});

const settings = endpoint({
  method: 'get',
  path: '/v1/anomalies/settings',
  tag,
  operation: 'getAnomalySettings',
  summary: 'Reads how little it takes to open an anomaly',
  query: nothing,
  body: nothing,
  out: anomalySettings,
  statuses: { 200: 'The settings.' },
  problems: [],
  handle: async (_call, { db }) => ({ status: 200, body: { sensitivity: await readSensitivity(db) } }),
});

const set = endpoint({
  method: 'put',
  path: '/v1/anomalies/settings',
  tag,
  operation: 'setAnomalySettings',
  summary: 'Sets how little it takes to open an anomaly, for every connection',
  description:
    'The next assessment, which begins at once, goes by it. It closes open anomalies that the new sensitivity no longer shows.',
  role: 'admin',
  query: nothing,
  body: anomalySettings,
  out: anomalySettings,
  statuses: { 200: 'The settings as they are now.' },
  problems: [],
  handle: async ({ body: { sensitivity }, actor }, { db, log, temporal }) => {
    await setSensitivity(db, sensitivity, actor);
    log.info({ sensitivity, actor }, 'the sensitivity of anomalies is set');
    await tellOrDefer(log, { sensitivity }, () => temporal.assess());
    return { status: 200, body: { sensitivity } };
  },
});

async function shown(deps: Deps, id: string): Promise<z.input<typeof anomaly>> {
  const found = await findIncident(deps.db, id);
  if (found === null) throw new Problem('not_found');
  const names = await workspaceNames(deps.db, [found.connection.id]);
  return anomalyDocument(found, names, deps.publicUrl());
}

async function documentsOf(deps: Deps, page: readonly IncidentInfo[]): Promise<z.input<typeof anomaly>[]> {
  const names = await workspaceNames(deps.db, [...new Set(page.map(({ connection }) => connection.id))]);
  return page.map((info) => anomalyDocument(info, names, deps.publicUrl()));
}

/** What was unusual about the spend. The settings come first, since their path would be an id's otherwise. */
export const anomalyRoutes = [list, settings, set, read, feedback];
