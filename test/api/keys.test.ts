import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deferKey, refuseKey } from '../../db/keys/candidates.ts';
import { openCandidate } from '../../db/keys/open.ts';
import { acceptKey } from '../../db/keys/activate.ts';
import { keys } from '../../db/schema.ts';
import type { SignalName } from '../../domain/connection/messages.ts';
import { CANARY, NOW, ring, seedConnection, startApi, type Api } from './support.ts';
import { revealed } from '../support/admin-key.ts';

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
  it('adds a candidate, says that nothing is rotated yet, and answers with the signal that asks to use it', async () => {
    const id = await seedConnection(api.db, { withKey: true });
    const sent = api.temporal.signals.length;
    const added = await api.send('POST', `/v1/connections/${id}/keys`, NEW_KEY);
    expect(added.status).toBe(201);
    const keyId = added.body.key_id;
    expect(added.body).toEqual({
      key_id: keyId,
      hint: 'next',
      state: 'candidate',
      action: expect.stringMatching(/^Nothing is rotated yet\. Send the signal/) as unknown,
      signal: { workflow_id: `connection-${id}`, name: 'rotateKey', input: { keyId } },
    });
    expect(api.temporal.signals).toHaveLength(sent);
    expect(await stateOf(id, keyId)).toMatchObject({ state: 'candidate', requestedAt: null });
    expect(revealed(await openCandidate(api.db, ring, id, keyId))).toEqual({ keyId, text: NEW_KEY.admin_api_key });
    const events = await api.get(`/v1/connections/${id}/events?type=key_added`);
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

  it('checks the shape of the key before anything else', async () => {
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
  it('answers 200 once the new key is active', async () => {
    const id = await seedConnection(api.db, { withKey: true, organization: 'org-1' });
    api.temporal.onSignal = async (connectionId: string, signal: SignalName, input: unknown) => {
      expect(signal).toBe('rotateKey');
      await acceptKey(api.db, { connectionId, keyId: keyIdOf(input) }, { id: 'org-1', name: 'Acme Inc.' });
    };
    const rotated = await api.send('POST', `/v1/connections/${id}/rotate-key`, NEW_KEY);
    expect(rotated.status).toBe(200);
    expect(rotated.body).toMatchObject({ id, key: { hint: 'next' } });
    expect(rotated.body.candidate).toBeNull();
    const events = await api.get(`/v1/connections/${id}/events?type=request`);
    expect(events.body.data).toMatchObject([{ actor: 'bootstrap', message: 'Asked to rotate to key …next.' }]);
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

  it('answers 202 with the candidate and its error if Anthropic does not answer', async () => {
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

  it('answers 409 and names the later key that overtook it, and when', async () => {
    const id = await seedConnection(api.db, { withKey: true, organization: 'org-2' });
    api.temporal.onSignal = async (connectionId) => {
      const later = await api.send('POST', `/v1/connections/${connectionId}/keys`, {
        admin_api_key: CANARY.replace('wxyz', 'late'),
      });
      const keyId = later.body.key_id;
      await openCandidate(api.db, ring, connectionId, keyId);
      await acceptKey(api.db, { connectionId, keyId }, { id: 'org-2', name: 'Acme Inc.' });
    };
    const overtaken = await api.send('POST', `/v1/connections/${id}/rotate-key`, NEW_KEY);
    expect(overtaken.status).toBe(409);
    expect(overtaken.body).toMatchObject({ code: 'key_overtaken', connection_id: id });
    expect(overtaken.body.detail).toMatch(
      /^Key …late \([\w-]{36}\) was sent later, and Anthropic accepted it first, at \d{4}-.*Z\./,
    );
  });

  it('answers 409 and says so if the key was discarded', async () => {
    const id = await seedConnection(api.db, { withKey: true });
    api.temporal.onSignal = async (connectionId, _signal, input) => {
      const gone = await api.send('DELETE', `/v1/connections/${connectionId}/keys/${keyIdOf(input)}`);
      expect(gone.status).toBe(204);
    };
    const discarded = await api.send('POST', `/v1/connections/${id}/rotate-key`, NEW_KEY);
    expect(discarded.status).toBe(409);
    expect(discarded.body).toMatchObject({ code: 'conflict', detail: expect.stringContaining('discarded') as string });
  });
});

describe('the keys of a connection', () => {
  it('are listed, newest first, each unused candidate with the signal that asks to use it and the time it is destroyed', async () => {
    const id = await seedConnection(api.db, { withKey: true });
    const { key_id: keyId } = (await api.send('POST', `/v1/connections/${id}/keys`, NEW_KEY)).body as {
      key_id: string;
    };
    const listed = await api.get(`/v1/connections/${id}/keys`);
    expect(listed.body.next).toBeNull();
    expect(listed.body.data).toMatchObject([
      {
        id: keyId,
        hint: 'next',
        state: 'candidate',
        signal: { workflow_id: `connection-${id}`, name: 'rotateKey', input: { keyId } },
        requested_at: null,
        end_reason: null,
      },
      { hint: 'wxyz', state: 'active', signal: null, expires_at: null },
    ]);
    const instantOf = (name: string): number => Date.parse(String(listed.body.data[0]?.[name]));
    expect(instantOf('expires_at') - instantOf('added_at')).toBe(24 * 3_600_000);
    expect(listed.text).not.toContain('CANARY');
    const first = await api.get(`/v1/connections/${id}/keys?limit=1`);
    const second = await api.get(`/v1/connections/${id}/keys?limit=1&after=${first.body.next}`);
    expect([first, second].map(({ body }) => body.data[0]?.['hint'])).toEqual(['next', 'wxyz']);
    expect((await api.get(`/v1/connections/${id}/keys?state=candidate`)).body.data).toHaveLength(1);
  });

  it('can be discarded as candidates (204, also again), not when active (409 with the reason) or unknown (404)', async () => {
    const id = await seedConnection(api.db, { withKey: true });
    const { key_id: keyId } = (await api.send('POST', `/v1/connections/${id}/keys`, NEW_KEY)).body as {
      key_id: string;
    };
    const discard = (key: string) => api.send('DELETE', `/v1/connections/${id}/keys/${key}`);
    for (let time = 0; time < 2; time += 1) {
      const discarded = await discard(keyId);
      expect([discarded.status, discarded.text]).toEqual([204, '']);
    }
    expect(await stateOf(id, keyId)).toMatchObject({ state: 'destroyed', endReason: 'discarded', sealed: null });
    const [serving] = (await api.get(`/v1/connections/${id}/keys?state=active`)).body.data;
    const kept = await discard(String(serving?.['id']));
    expect([kept.status, kept.body.code]).toEqual([409, 'conflict']);
    expect(kept.body.detail).toContain('This key is active');
    for (const unknown of [randomUUID(), 'x']) expect((await discard(unknown)).status).toBe(404);
    const { body } = await api.get(`/v1/connections/${id}/events?type=key_destroyed`);
    expect(body.data).toMatchObject([{ actor: 'bootstrap', message: expect.stringContaining('discarded') as string }]);
  });
});
