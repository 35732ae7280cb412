import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Verdict } from '../../db/connections/views.ts';
import { addEvent } from '../../db/connections/events.ts';
import { listKeys } from '../../db/connections/history.ts';
import { discardCandidate } from '../../db/keys/ends.ts';
import { addCandidate } from '../../db/keys/keys.ts';
import { lockLive } from '../../db/connections/live.ts';
import type { AdminKey, KeyState } from '../../domain/keys.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { candidateDocument, keyDocument, rotationTo } from '../connections/documents.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { keysQuery, newKey, nothing } from '../http/inputs.ts';
import { knownForm, findLiveConnection, shownConnection, findConnection } from '../connections/lookups.ts';
import { Problem } from '../http/problems.ts';
import { connection, keyList, addedCandidate } from '../http/schemas.ts';
import { adminKeyOf, acceptedOrThrow, tellOrDefer, verdictOn } from './verdicts.ts';

const tag = 'Keys';

const addKey = endpoint({
  method: 'post',
  path: '/v1/connections/:id/keys',
  tag,
  operation: 'stageKey',
  summary: 'Stores a key to rotate to, and gives the Temporal signal that puts it to use',
  description:
    'For a rotation with a Temporal signal instead of HTTP: no secret is in the signal. Nothing is asked of Anthropic before.',
  query: nothing,
  body: newKey,
  out: addedCandidate,
  statuses: { 201: 'It is stored. Unless it is asked for by the signal, it is destroyed after 24 hours.' },
  refusals: ['key_format', 'conflict'],
  handle: async ({ id: asked, body, actor }, deps) => {
    const adminKey = adminKeyOf(body);
    const { id } = await findLiveConnection(deps, asked);
    const { keyId, hint, state } = await addLiveCandidate(deps, { id, adminKey, requested: false, actor });
    return { status: 201, body: { key_id: keyId, hint, state, signal: rotationTo(id, keyId) } };
  },
});

const rotate = endpoint({
  method: 'post',
  path: '/v1/connections/:id/rotate-key',
  tag,
  operation: 'rotateKey',
  summary: 'Replaces the key; the old one serves until the new one is accepted',
  description: "Waits up to 8 seconds for Anthropic's verdict on the key. A refused key changes nothing.",
  query: nothing,
  body: newKey,
  out: connection,
  statuses: {
    200: 'The new key serves.',
    202: 'It is stored, and there is no verdict on it yet: it is tried on its own.',
  },
  refusals: [
    'key_format',
    'key_invalid',
    'key_forbidden',
    'individual_account',
    'organization_mismatch',
    'already_connected',
    'key_overtaken',
    'conflict',
  ],
  handle: async ({ id: asked, body, actor, waitFor }, deps) => {
    const adminKey = adminKeyOf(body);
    const { id } = await findLiveConnection(deps, asked);
    // Asked for from the start, so that the workflow tries it even if the signal never reaches it.
    const { keyId, hint, state } = await addLiveCandidate(deps, { id, adminKey, requested: true, actor });
    await addEvent(deps.db, id, { type: 'request', actor, message: `Asked to rotate to key …${hint}.` });
    const told = await tellOrDefer(deps, id, () => deps.temporal.signalConnection(id, 'rotateKey', { keyId }));
    const verdict = told ? await verdictOn(deps, { connectionId: id, keyId }, hasAnswer, waitFor) : null;
    if (acceptedOrThrow(verdict, id)) return { status: 200, body: await shownConnection(deps, id) };
    const candidate = candidateDocument({ id: keyId, hint, state, ...(verdict ?? UNTRIED) });
    return { status: 202, body: { ...(await shownConnection(deps, id)), candidate } };
  },
});

const list = endpoint({
  method: 'get',
  path: '/v1/connections/:id/keys',
  tag,
  operation: 'listKeys',
  summary: 'Lists the keys of a connection, newest first: staged ones, the one that serves, and what became of others',
  query: keysQuery,
  body: nothing,
  out: keyList,
  statuses: { 200: 'A page of keys. No key is shown but its last four characters.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, query: { state, limit, after } }, deps) => {
    const { id } = await findConnection(deps, asked);
    const found = await listKeys(deps.db, id, {
      state: state ?? null,
      after: after === undefined ? null : decodeCursor(after, z.guid()),
      limit: limit + 1,
    });
    const { page, next } = pageOf(found, limit, (key) => key.id);
    return { status: 200, body: { data: page.map((key) => keyDocument(id, key)), next } };
  },
});

const discard = endpoint({
  method: 'delete',
  path: '/v1/connections/:id/keys/:keyId',
  tag,
  operation: 'discardKey',
  summary: 'Discards a staged key, and destroys it; one that is destroyed already stays so',
  query: nothing,
  body: nothing,
  out: nothing,
  statuses: { 204: 'It is destroyed, and will never serve.' },
  refusals: ['conflict'],
  handle: async ({ id: asked, keyId: askedKey, actor }, deps) => {
    const { id } = await findConnection(deps, asked);
    const { outcome } = await discardCandidate(deps.db, { connectionId: id, keyId: knownForm(askedKey) }, actor);
    switch (outcome) {
      case 'discarded':
        return { status: 204, body: {} };
      case 'unknown':
        throw new Problem('not_found');
      case 'serves':
      case 'replaced':
      case 'first':
        throw new Problem('conflict', { detail: WHY_KEPT[outcome] });
    }
  },
});

const WHY_KEPT = {
  serves: 'This key serves. Rotate to another one, or disconnect the connection, to have it destroyed.',
  replaced:
    'This key was replaced, and is kept until a sync has succeeded with the one that replaced it. It is destroyed then.',
  first: 'The connection has no other key to begin with. Disconnect it instead, or rotate to another key.',
} as const;

function hasAnswer(verdict: Verdict): boolean {
  return verdict.keyState !== 'candidate' || verdict.tries > 0;
}

const UNTRIED = { tries: 0, triedAtMs: null, failure: null } as const;

/** Stages a key while nothing can end the connection, since the end destroys the keys that it finds. */
async function addLiveCandidate(
  { db, ring }: Deps,
  key: { id: string; adminKey: AdminKey; requested: boolean; actor: string },
): Promise<{ keyId: string; hint: string; state: KeyState }> {
  const { id: connectionId, ...rest } = key;
  return db.transaction(async (tx) => {
    if ((await lockLive(tx, connectionId)) === null)
      throw new Problem('conflict', { detail: 'The connection has ended.' });
    const keyId = randomUUID();
    return { keyId, ...(await addCandidate(tx, ring, { connectionId, keyId, ...rest })) };
  });
}

/** Keys of a connection. */
export const keyRoutes = [addKey, list, discard, rotate];
