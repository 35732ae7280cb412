import { describe, expect, it } from 'vitest';
import { listWorkspaces } from '../../anthropic/workspaces.ts';
import { REQUEST_ID, all, failureOf, given, upstream } from './support.ts';

const one = { id: 'wrkspc_1', name: 'One', created_at: '2026-01-01T00:00:00Z', archived_at: null };

describe('the list of workspaces', () => {
  it('has each one once, the archived too, over as many pages as it takes', async () => {
    const up = await upstream({ simulator: { workspaces: 1_003, linesPerDay: 1 } });
    const pages = await all(listWorkspaces(up.reader()));
    expect(pages.map((page) => page.length)).toEqual([1_000, 3]);
    const listed = pages.flat().map(({ id, name, archivedAt }) => ({ id, name, archived_at: archivedAt }));
    const { workspaces } = up.simulator.control.organization();
    expect(listed).toEqual(
      workspaces.flatMap(({ id, name, archived_at, default: isDefault }) =>
        isDefault ? [] : [{ id, name, archived_at }],
      ),
    );
    expect(listed.filter(({ archived_at }) => archived_at !== null)).toHaveLength(1);
    await up.close();
  });

  it('may be empty', async () => {
    const up = await upstream({ simulator: { workspaces: 0 } });
    expect(await all(listWorkspaces(up.reader()))).toEqual([[]]);
    await up.close();
  });

  it('keeps all that is reported of a workspace, and does without dates that are none', async () => {
    const odd = { id: 'wrkspc_1', name: 'One', created_at: 'long ago', moon: { phase: 'full' } };
    expect(await all(listWorkspaces(given({ data: [odd], has_more: false, last_id: 'wrkspc_1' })))).toEqual([
      [{ id: 'wrkspc_1', name: 'One', createdAt: null, archivedAt: null, reported: odd }],
    ]);
  });

  it.each([
    ['says that there is more, and not where', [{ data: [one], has_more: true, last_id: null }]],
    [
      'leads in a circle',
      [
        { data: [one], has_more: true, last_id: 'a' },
        { data: [one], has_more: true, last_id: 'a' },
      ],
    ],
    ['has a workspace without an id', [{ data: [{ ...one, id: '' }], has_more: false }]],
    ['is none', [{ data: null }]],
  ])('that %s is invalid', async (_what, replies) => {
    expect((await failureOf(all(listWorkspaces(given(...replies))))).code).toBe('upstream_invalid');
  });

  it('shows a workspace without a name by its id: names are not worth holding up money for', async () => {
    const listed = await all(listWorkspaces(given({ data: [{ id: 'x' }], has_more: false })));
    expect(listed.flat()).toMatchObject([{ id: 'x', name: 'x' }]);
  });

  it('names the request that failed', async () => {
    const up = await upstream();
    up.simulator.control.fault({ kind: 'wrong_shape' });
    expect(await failureOf(all(listWorkspaces(up.reader())))).toMatchObject({
      code: 'upstream_invalid',
      requestId: REQUEST_ID,
    });
    await up.close();
  });
});
