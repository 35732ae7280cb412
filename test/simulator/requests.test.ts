import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../simulator/simulator.ts';
import {
  COST,
  ME,
  USAGE,
  WORKSPACES,
  errorReply,
  firstKey,
  get,
  headers,
  raw,
  errorOf,
  simulate,
  without,
  workspaceList,
} from './client.ts';

const RANGE = 'starting_at=2026-11-01T00:00:00Z&ending_at=2026-11-08T00:00:00Z';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await simulate();
});
afterAll(() => simulator.close());

describe('a request', () => {
  it('is answered with a request id and the organization', async () => {
    const reply = await get(simulator, ME);
    expect(await reply.json()).toEqual({
      id: simulator.control.organization().id,
      type: 'organization',
      name: 'Sample Organization',
    });
    expect(reply.headers.get('request-id')).toMatch(/^req_/);
    expect(reply.headers.get('anthropic-organization-id')).toBe(simulator.control.organization().id);
  });

  it('gets an error that repeats the request id', async () => {
    const reply = await get(simulator, COST);
    const body = errorReply.parse(await reply.json());
    expect(reply.status).toBe(400);
    expect(body.error).toEqual({ type: 'invalid_request_error', message: 'starting_at: Field required' });
    expect(body.request_id).toBe(reply.headers.get('request-id'));
  });

  it.each([
    [`${COST}?${RANGE}&limit=0`, 'greater than or equal to 1'],
    [`${COST}?${RANGE}&limit=32`, 'less than or equal to 31'],
    [`${COST}?${RANGE}&limit=many`, 'valid integer'],
    [`${USAGE}?${RANGE}&limit=32`, 'less than or equal to 31'],
    [`${WORKSPACES}?limit=0`, 'greater than or equal to 1'],
    [`${WORKSPACES}?limit=1001`, 'less than or equal to 1000'],
    [`${WORKSPACES}?after_id=wrkspc_none`, 'No such workspace'],
    [`${WORKSPACES}?include_archived=yes`, 'include_archived'],
    [`${COST}?${RANGE}&group_by=description`, 'group_by: Extra inputs'],
    [`${COST}?${RANGE}&models[]=x`, 'Extra inputs'],
    [`${ME}?verbose=1`, 'Extra inputs'],
    [`${COST}?${RANGE}&group_by[]=model`, 'group_by[]'],
    [`${USAGE}?${RANGE}&group_by[]=description`, 'group_by[]'],
    [`${COST}?${RANGE}&bucket_width=1h`, 'bucket_width'],
    [`${USAGE}?${RANGE}&bucket_width=1w`, 'bucket_width'],
    [`${COST}?starting_at=2026-11-01`, 'RFC 3339'],
    [`${COST}?${RANGE}&starting_at=2026-11-02T00:00:00Z`, 'given once'],
  ])('%s is a 400', async (path, message) => {
    expect(await errorOf(await get(simulator, path))).toContain('400 invalid_request_error: ');
    expect(await errorOf(await get(simulator, path))).toContain(message);
  });

  it('with a sixth dimension is refused', async () => {
    const six = ['model', 'workspace_id', 'service_tier', 'context_window', 'inference_geo', 'api_key_id'];
    const query = six.map((name) => `group_by[]=${name}`).join('&');
    expect(await errorOf(await get(simulator, `${USAGE}?${RANGE}&${query}`))).toBe(
      '400 invalid_request_error: Cannot specify more than 5 group_by[] dimensions.',
    );
  });

  it.each([
    'starting_at=2026-11-05T00:00:00Z&ending_at=2026-11-05T23:59:59Z',
    'starting_at=2026-11-05T10:00:00Z&ending_at=2026-11-05T10:30:00Z',
    'starting_at=2026-11-05T00:00:00Z&ending_at=2026-11-04T00:00:00Z',
    'starting_at=2026-11-12T00:00:00Z',
  ])('for the range %s is refused', async (range) => {
    expect(await errorOf(await get(simulator, `${COST}?${range}`))).toBe(
      '400 invalid_request_error: Invalid date range: ending date must be after starting date',
    );
    expect((await get(simulator, `${USAGE}?${range}`)).status).toBe(400);
  });

  it('without a valid anthropic-version is refused', async () => {
    const unversioned = without(headers(simulator), 'anthropic-version');
    expect(await raw(simulator, { path: ME, headers: unversioned })).toBe(400);
    expect((await get(simulator, ME, { 'anthropic-version': 'latest' })).status).toBe(400);
  });

  it('with another method is a 405, and to another path a 404', async () => {
    expect(await raw(simulator, { method: 'POST', path: COST })).toBe(405);
    expect(await raw(simulator, { method: 'DELETE', path: WORKSPACES })).toBe(405);
    expect(await errorOf(await get(simulator, '/v1/organizations/users'))).toBe('404 not_found_error: Not Found');
    expect(await raw(simulator, { path: '//' })).toBe(404);
  });
});

describe('a key', () => {
  it('looks like an Admin API key', () => {
    expect(firstKey(simulator)).toMatch(/^sk-ant-admin01-[A-Za-z0-9_-]{93}AA$/);
  });

  it('gets a 401 if it is missing, unknown, a workspace key or only a bearer token', async () => {
    const invalid = '401 authentication_error: invalid x-api-key';
    expect(await errorOf(await get(simulator, ME, { 'x-api-key': 'sk-ant-admin01-unknown' }))).toBe(invalid);
    expect(await errorOf(await get(simulator, ME, { 'x-api-key': 'sk-ant-api03-workspace' }))).toBe(invalid);
    const keyless = without(headers(simulator), 'x-api-key');
    const authorization = `Bearer ${firstKey(simulator)}`;
    expect(await raw(simulator, { path: ME, headers: keyless })).toBe(401);
    expect(await raw(simulator, { path: ME, headers: { ...keyless, authorization } })).toBe(401);
  });

  it('works from the moment it is made until it is revoked, and again once active', async () => {
    const { key } = simulator.control.addKey();
    const status = async (): Promise<number> => (await get(simulator, ME, { 'x-api-key': key })).status;
    expect(await status()).toBe(200);
    simulator.control.setKeyState(key, 'revoked');
    expect(await status()).toBe(401);
    simulator.control.setKeyState(key, 'forbidden');
    expect(await errorOf(await get(simulator, ME, { 'x-api-key': key }))).toMatch(/^403 permission_error/);
    simulator.control.setKeyState(key, 'active');
    expect(await status()).toBe(200);
    expect(() => simulator.control.setKeyState('sk-ant-admin01-none', 'active')).toThrow('no such key');
  });

  it('opens its own organization only; an individual account has none', async () => {
    const several = await simulate({
      organizations: [{}, { name: 'Other', keys: [{ key: 'sk-ant-admin01-other' }] }, { individual: true }],
    });
    const other = await get(several, ME, { 'x-api-key': 'sk-ant-admin01-other' });
    expect(await other.json()).toMatchObject({ id: several.control.organization('Other').id, name: 'Other' });
    const individual = several.control.keys()[2]?.key ?? '';
    expect(await errorOf(await get(several, ME, { 'x-api-key': individual }))).toBe('404 not_found_error: Not Found');
    expect(several.control.ledger({ report: 'cost', from: '2026-11-11', to: '2026-11-11' })).not.toEqual(
      several.control.ledger({ report: 'cost', from: '2026-11-11', to: '2026-11-11', organization: 'Other' }),
    );
    await several.close();
  });
});

describe('workspaces', () => {
  const list = async (query: string) =>
    workspaceList.parse(await (await get(simulator, `${WORKSPACES}?${query}`)).json());

  it('leave out archived ones and the default one by default', async () => {
    expect((await list('')).data).toHaveLength(4);
    const all = await list('include_archived=true');
    expect(all.data).toHaveLength(5);
    expect(all.data.filter((workspace) => workspace.archived_at !== null)).toHaveLength(1);
    expect((await list('include_archived=true&include_default=true')).data).toHaveLength(6);
  });

  it('are paged by has_more alone: last_id is set on the last page too', async () => {
    const first = await list('limit=3');
    expect([first.data.length, first.has_more, first.first_id]).toEqual([3, true, first.data[0]?.id]);
    const second = await list(`limit=3&after_id=${first.last_id ?? ''}`);
    expect([second.data.length, second.has_more]).toEqual([1, false]);
    expect(second.last_id).toBe(second.data[0]?.id);
    const back = await list(`limit=2&before_id=${second.first_id ?? ''}`);
    expect(back.data.map(({ id }) => id)).toEqual(first.data.slice(1).map(({ id }) => id));
    expect(back.has_more).toBe(true);
  });
});

describe('the official SDK', () => {
  it('reads the organization and all its workspaces', async () => {
    const client = new Anthropic({
      apiKey: null,
      baseURL: simulator.url,
      defaultHeaders: { 'x-api-key': firstKey(simulator), 'anthropic-version': '2023-06-01' },
    });
    const { id, name, workspaces } = simulator.control.organization();
    expect(await client.organization.retrieve()).toEqual({ id, type: 'organization', name });
    const listed: string[] = [];
    for await (const workspace of client.organization.workspaces.list({ include_archived: true, limit: 2 })) {
      listed.push(workspace.id);
    }
    expect(listed).toEqual(workspaces.filter((workspace) => !workspace.default).map((workspace) => workspace.id));
  });
});
