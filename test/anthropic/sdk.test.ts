import Anthropic from '@anthropic-ai/sdk';
import type { OrganizationInfo } from '@anthropic-ai/sdk/resources/organization/organization';
import type { Workspace } from '@anthropic-ai/sdk/resources/organization/workspaces/workspaces';
import { describe, expect, it } from 'vitest';
import { readOrganization } from '../../anthropic/organization.ts';
import { listWorkspaces } from '../../anthropic/workspaces.ts';
import { all, given, upstream } from './support.ts';

// Samples of the SDK's types, whole and exact: a release that changes one of them stops the compiler here.
const ORGANIZATION = { id: 'o', name: 'Org', type: 'organization' } satisfies Required<OrganizationInfo>;
const WORKSPACE = {
  id: 'wrkspc_1',
  type: 'workspace',
  name: 'One',
  created_at: '2026-01-01T00:00:00Z',
  archived_at: '2026-02-01T00:00:00Z',
  display_color: '#112233',
  compartment_id: 'c',
  external_key_id: null,
  user_profile_id: null,
  tags: { team: 'a' },
  data_residency: { allowed_inference_geos: ['us'], default_inference_geo: 'us', workspace_geo: 'us' },
} satisfies Required<Workspace>;

describe('the official SDK', () => {
  it('describes an organization and a workspace as this product takes them', async () => {
    expect(await readOrganization(given(ORGANIZATION))).toEqual({ id: 'o', name: 'Org' });
    const reply = { data: [WORKSPACE], has_more: false, first_id: 'wrkspc_1', last_id: 'wrkspc_1' };
    expect(await all(listWorkspaces(given(reply)))).toEqual([
      [
        {
          id: WORKSPACE.id,
          name: WORKSPACE.name,
          createdAt: WORKSPACE.created_at,
          archivedAt: WORKSPACE.archived_at,
          tags: new Map([['team', 'a']]),
          reported: WORKSPACE,
        },
      ],
    ]);
  });

  it('reads the same data from the simulator as this product', async () => {
    const up = await upstream();
    const client = new Anthropic({
      apiKey: null,
      authToken: null,
      baseURL: up.simulator.url,
      maxRetries: 0,
      defaultHeaders: { 'x-api-key': up.key, 'anthropic-version': '2023-06-01' },
    });
    const { id, name } = await client.organization.retrieve();
    expect(await readOrganization(up.reader())).toEqual({ id, name });
    const theirs: string[] = [];
    for await (const workspace of client.organization.workspaces.list({ include_archived: true, limit: 2 })) {
      theirs.push(`${workspace.id} ${workspace.name} ${workspace.archived_at ?? ''}`);
    }
    const ours = (await all(listWorkspaces(up.reader()))).flat();
    expect(ours.map((workspace) => `${workspace.id} ${workspace.name} ${workspace.archivedAt ?? ''}`)).toEqual(theirs);
    expect(theirs).toHaveLength(5);
    await up.close();
  });
});
