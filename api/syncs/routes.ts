import { z } from 'zod';
import { listSyncs } from '../../db/ledger/history.ts';
import { findConnection } from '../connections/lookups.ts';
import { decodeCursor, pageOf, positionText } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { nothing } from '../http/schemas.ts';
import { syncDocument } from './documents.ts';
import { syncList, syncsQuery } from './schemas.ts';

const position = z.strictObject({ n: z.int32(), runId: positionText });

const list = endpoint({
  method: 'get',
  path: '/v1/connections/:id/syncs',
  tag: 'History',
  operation: 'listSyncs',
  summary: 'Lists the syncs, newest first; a sync that was reset in Temporal has several runs',
  query: syncsQuery,
  body: nothing,
  out: syncList,
  statuses: { 200: 'A page of syncs.' },
  refusals: ['conflict'],
  handle: async ({ id: givenId, query: { kind, state, limit, after } }, deps) => {
    const { id } = await findConnection(deps, givenId);
    const found = await listSyncs(deps.db, id, {
      kind: kind ?? null,
      state: state ?? null,
      after: after === undefined ? null : decodeCursor(after, position),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, ({ n, runId }) => ({ n, runId }));
    return { status: 200, body: { data: page.map((view) => syncDocument(id, view, deps.settings)), next } };
  },
});

export const syncRoutes = [list];
