import { afterEach, expect, it, vi } from 'vitest';
import { ask } from '../../console/client/client.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

it('a name from Anthropic neither turns nor hides what stands beside it, and an id stays as it is', async () => {
  const data = [{ id: 'wrkspc_\u202e1', name: 'Prod\u202e\u2066 gnp.exe\u200b 👩‍👩‍👧' }];
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ data, next: null }))));
  const reply: unknown = await ask('get', '/v1/connections/{id}/workspaces', { ids: { id: 'x' } });
  expect(reply).toEqual({ data: [{ id: 'wrkspc_\u202e1', name: 'Prod gnp.exe 👩‍👩‍👧' }], next: null });
});

it('no line of a sentence ends between the sign and the dollars of an amount', async () => {
  const sentence = 'It changed by +$2.00, −$3.10 by the mix, $1.00 by cost without tokens.';
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ sentence, cost_center: '−$1' }))));
  expect(await ask('get', '/v1/anomalies/{id}', { ids: { id: 'x' } })).toEqual({
    sentence: 'It changed by +\u2060$2.00, −\u2060$3.10 by the mix, $1.00 by cost without tokens.',
    cost_center: '−$1',
  });
});
