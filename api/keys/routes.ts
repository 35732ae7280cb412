import { z } from 'zod';
import { addEvent } from '../../db/connections/events.ts';
import type { Verdict } from '../../db/keys/verdict.ts';
import { addCandidateToLive } from '../../db/keys/candidates.ts';
import { discardCandidate } from '../../db/keys/discard.ts';
import { listKeys } from '../../db/keys/key-list.ts';
import { findConnection, findLiveConnection, shownConnection, storedId } from '../connections/lookups.ts';
import { connection } from '../connections/schemas.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { MAX_WAIT_MS } from '../http/wait.ts';
import { tellOrDefer } from '../temporal.ts';
import { candidateDocument, keyDocument, rotationTo } from './documents.ts';
import { SIGNAL_NEXT, addedKey, adminKeyOf, keyList, keysQuery, newKey } from './schemas.ts';
import { acceptedOrThrow, awaitVerdict } from './verdicts.ts';

const tag = 'Keys';

const addKey = endpoint({
  method: 'post',
  path: '/v1/connections/:id/keys',
  tag,
  operation: 'addKey',
  summary: 'Stores a candidate without using it, and returns the Temporal signal that asks to use it',
  description:
    'The first of two steps of a rotation by a Temporal signal, which contains no secret. The key that the connection has stays active: Meterline asks Anthropic about the new one once it receives the signal, and changes over if it is accepted. `POST /v1/connections/{id}/rotate-key` does it in one step.',
  query: nothing,
  body: newKey,
  out: addedKey,
  statuses: { 201: 'The key is stored and not used. It is destroyed after 24 hours unless the signal asks to use it.' },
  problems: ['key_format', 'conflict'],
  handle: async ({ id: givenId, body, actor }, deps) => {
    const adminKey = adminKeyOf(body);
    const { id } = await findLiveConnection(deps, givenId);
    const added = await addCandidateToLive(deps.db, deps.ring, { connectionId: id, adminKey, requested: false, actor });
    if (added === null) throw hasEnded();
    const { keyId, hint, state } = added;
    return { status: 201, body: { key_id: keyId, hint, state, action: SIGNAL_NEXT, signal: rotationTo(id, keyId) } };
  },
});

const rotate = endpoint({
  method: 'post',
  path: '/v1/connections/:id/rotate-key',
  tag,
  operation: 'rotateKey',
  summary: 'Replaces the key; the old one stays active until Anthropic accepts the new one',
  description: `Waits up to ${MAX_WAIT_MS / 1000} seconds for Anthropic's verdict on the key. A refused key changes nothing.`,
  query: nothing,
  body: newKey,
  out: connection,
  statuses: {
    200: 'The new key is active.',
    202: 'The key is stored and there is no verdict yet; Meterline tries it again on its own.',
  },
  problems: [
    'key_format',
    'key_invalid',
    'key_forbidden',
    'individual_account',
    'organization_mismatch',
    'already_connected',
    'key_overtaken',
    'conflict',
  ],
  handle: async ({ id: givenId, body, actor, waitFor }, deps) => {
    const adminKey = adminKeyOf(body);
    const { id } = await findLiveConnection(deps, givenId);
    // Requested from the start, so that the workflow tries it even if the signal gets lost.
    const added = await addCandidateToLive(deps.db, deps.ring, { connectionId: id, adminKey, requested: true, actor });
    if (added === null) throw hasEnded();
    const { keyId, hint, state } = added;
    await addEvent(deps.db, id, { type: 'request', actor, message: `Asked to rotate to key …${hint}.` });
    const told = await tellOrDefer(deps.log, id, () => deps.temporal.signalConnection(id, 'rotateKey', { keyId }));
    const verdict = told ? await awaitVerdict(deps, { connectionId: id, keyId }, isTriedOrDecided, waitFor) : null;
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
  summary: 'Lists the keys of a connection, newest first: candidates, the active key, and what became of the others',
  query: keysQuery,
  body: nothing,
  out: keyList,
  statuses: { 200: 'A page of keys. Of each key, only the last four characters are shown.' },
  problems: ['conflict'],
  handle: async ({ id: givenId, query: { state, limit, after } }, deps) => {
    const { id } = await findConnection(deps, givenId);
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
  summary: 'Destroys a candidate; does nothing if it is destroyed already',
  query: nothing,
  body: nothing,
  out: nothing,
  statuses: { 204: 'The key is destroyed and will never become active.' },
  problems: ['conflict'],
  handle: async ({ id: givenId, keyId: givenKeyId, actor }, deps) => {
    const { id } = await findConnection(deps, givenId);
    const { outcome } = await discardCandidate(deps.db, { connectionId: id, keyId: storedId(givenKeyId) }, actor);
    switch (outcome) {
      case 'discarded':
        return { status: 204, body: {} };
      case 'unknown':
        throw new Problem('not_found');
      case 'active':
      case 'superseded':
      case 'only_key':
        throw new Problem('conflict', { detail: WHY_NOT_DISCARDED[outcome] });
    }
  },
});

const WHY_NOT_DISCARDED = {
  active: 'This key is active. To have it destroyed, rotate to another key or disconnect the connection.',
  superseded: 'This key was replaced. It is destroyed as soon as a sync succeeds with the key that replaced it.',
  only_key: 'The connection has no other key to begin with. Disconnect it instead, or rotate to another key.',
} as const;

function hasEnded(): Problem {
  return new Problem('conflict', { detail: 'The connection has ended.' });
}

function isTriedOrDecided(verdict: Verdict): boolean {
  return verdict.keyState !== 'candidate' || verdict.tries > 0;
}

const UNTRIED = { tries: 0, triedAtMs: null, failure: null } as const;

export const keyRoutes = [addKey, list, discard, rotate];
