import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { refuseKey } from '../../db/key-ends.ts';
import { acceptKey, deferKey, openCandidate } from '../../db/keys.ts';
import { keys } from '../../db/schema.ts';
import type { SignalName } from '../../domain/messages.ts';
import { CANARY, NOW, ring, seedConnection, startApi, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
beforeEach(() => {
  api.temporal.isDown = false;
  api.temporal.onSignal = () => Promise.resolve();
});

const NEW_KEY = { admin_api_key: CANARY.replace('wxyz', 'next') };

function keyIdOf(input: unknown): string {
  return typeof input === 'object' && input !== null && 'keyId' in input ? String(input.keyId) : '';
}

async function stateOf(connectionId: string, keyId: string) {
  const [key] = await api.db
    .select()
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)));
  return key;
}

describe('POST /v1/connections/{id}/keys', () => {
  it('stages a key and answers with the signal that puts it to use, but sends none', async () => {
    const id = await seedConnection(api.db, { withKey: true });
    const sent = api.temporal.signals.length;
    const staged = await api.send('POST', `/v1/connections/${id}/keys`, NEW_KEY);
    expect(staged.status).toBe(201);
    const keyId = staged.body.key_id;
    expect(staged.body).toEqual({
      key_id: keyId,
      hint: 'next',
      state: 'candidate',
      signal: { workflow_id: `connection-${id}`, name: 'rotateKey', input: { keyId } },
    });
    expect(api.temporal.signals).toHaveLength(sent);
    expect(await stateOf(id, keyId)).toMatchObject({ state: 'candidate', requestedAt: null });
    expect(await openCandidate(api.db, ring, id, keyId)).toEqual({ keyId, secret: NEW_KEY.admin_api_key });
    const events = await api.get(`/v1/connections/${id}/events?type=key_staged`);
    expect(events.body.data).toMatchObject([{ actor: 'bootstrap' }]);
  });

  it.each(['refused', 'disconnected'] as const)('stores nothing for a connection that is %s', async (status) => {
    const id = await seedConnection(api.db, { status });
    for (const route of ['keys', 'rotate-key']) {
      const refused = await api.send('POST', `/v1/connections/${id}/${route}`, NEW_KEY);
      expect(refused.status).toBe(409);
      expect(refused.body.detail).toContain(status);
    }
    expect(await api.db.select().from(keys).where(eq(keys.connectionId, id))).toEqual([]);
  });

  it('checks the shape before anything else', async () => {
    for (const route of ['keys', 'rotate-key']) {
      const refused = await api.send('POST', `/v1/connections/${randomUUID()}/${route}`, { admin_api_key: 'x' });
      expect(refused.status).toBe(422);
      expect(refused.body.code).toBe('key_format');
    }
  });

  it('is a 404 for an unknown connection', async () => {
    for (const id of [randomUUID(), 'x']) {
      for (const route of ['keys', 'rotate-key']) {
        expect((await api.send('POST', `/v1/connections/${id}/${route}`, NEW_KEY)).status).toBe(404);
      }
    }
  });
});

describe('POST /v1/connections/{id}/rotate-key', () => {
  it('answers 200 once the new key serves', async () => {
    const id = await seedConnection(api.db, { withKey: true, organization: 'org-1' });
    api.temporal.onSignal = async (connectionId: string, signal: SignalName, input: unknown) => {
      expect(signal).toBe('rotateKey');
      await acceptKey(api.db, { connectionId, keyId: keyIdOf(input) }, { id: 'org-1', name: 'Acme Inc.' });
    };
    const rotated = await api.send('POST', `/v1/connections/${id}/rotate-key`, NEW_KEY);
    expect(rotated.status).toBe(200);
    expect(rotated.body).toMatchObject({ id, key: { hint: 'next' } });
    expect(rotated.body.candidate).toBeNull();
  });

  it.each(['key_invalid', 'key_forbidden', 'organization_mismatch', 'individual_account'] as const)(
    'answers 422 to %s, and the old key goes on',
    async (code) => {
      const id = await seedConnection(api.db, { withKey: true });
      api.temporal.onSignal = (connectionId, _signal, input) =>
        refuseKey(api.db, { connectionId, keyId: keyIdOf(input) }, { code }, 'no');
      const refused = await api.send('POST', `/v1/connections/${id}/rotate-key`, NEW_KEY);
      expect(refused.status).toBe(422);
      expect(refused.body).toMatchObject({ code, connection_id: id });
      expect((await api.get(`/v1/connections/${id}`)).body.key.hint).toBe('wxyz');
    },
  );

  it('answers 202 with the candidate and its error when Anthropic does not answer', async () => {
    const id = await seedConnection(api.db, { withKey: true });
    api.temporal.onSignal = (connectionId, _signal, input) =>
      deferKey(api.db, { connectionId, keyId: keyIdOf(input) }, { code: 'rate_limited' }, NOW);
    const waiting = await api.send('POST', `/v1/connections/${id}/rotate-key`, NEW_KEY);
    expect(waiting.status).toBe(202);
    expect(waiting.body).toMatchObject({
      key: { hint: 'wxyz' },
      candidate: { hint: 'next', state: 'candidate', error: { code: 'rate_limited' } },
    });
  });

  it('answers 202 while Temporal is down, and the key is tried once the workflow runs', async () => {
    const id = await seedConnection(api.db, { withKey: true });
    api.temporal.isDown = true;
    const waiting = await api.send('POST', `/v1/connections/${id}/rotate-key`, NEW_KEY);
    expect(waiting.status).toBe(202);
    expect(waiting.body.candidate).toMatchObject({ state: 'candidate', error: null });
    const key = await stateOf(id, waiting.body.candidate.id);
    expect(key?.requestedAt).not.toBeNull();
  });
});
