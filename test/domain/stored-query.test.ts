import { describe, expect, it } from 'vitest';
import { ParameterError } from '../../domain/spend/parameters.ts';
import { readStoredQuery, type StoredQuery, type StoredQueryOptions } from '../../domain/spend/stored-query.ts';

const REPORT: StoredQueryOptions = { groups: { fallback: 'model', most: 2 } };
const FILTERS: StoredQueryOptions = { groups: null };
const ID = '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b';

function faultsOf(query: StoredQuery, options: StoredQueryOptions): [string | null, string][] {
  try {
    readStoredQuery(query, options);
    return [];
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    return error.faults.map(({ parameter, message }) => [parameter, message]);
  }
}

describe('a stored spend query', () => {
  it('means what the same query string means', () => {
    const stored = { model: ['a', ''], 'not.workspace': 'default', 'tag.team': 'x', connection_id: ID.toUpperCase() };
    expect(readStoredQuery(stored, REPORT)).toMatchObject({
      groupBy: ['model'],
      filters: [
        { dimension: 'connection', excludes: false, values: [ID] },
        { dimension: 'workspace', excludes: true, values: [null] },
        { dimension: 'model', excludes: false, values: ['a', null] },
        { dimension: 'tag.team', excludes: false, values: ['x'] },
      ],
    });
  });

  it('has one form, whatever the order and the repeats, and that form means the same', () => {
    const one = readStoredQuery({ workspace: ['w', '', 'w'], group_by: 'tag.team,model', model: 'a' }, REPORT);
    const other = readStoredQuery(
      { model: ['a'], group_by: ['tag.team', 'model'], workspace: ['default', 'w'] },
      REPORT,
    );
    expect(JSON.stringify(one.canonical)).toBe(
      '{"group_by":["tag.team","model"],"model":["a"],"workspace":["default","w"]}',
    );
    expect(other.canonical).toEqual(one.canonical);
    expect(readStoredQuery(one.canonical, REPORT).canonical).toEqual(one.canonical);
    expect(readStoredQuery({ model: 'a' }, FILTERS)).toMatchObject({ groupBy: [], canonical: { model: ['a'] } });
  });

  it.each<[StoredQuery, StoredQueryOptions, string | null, RegExp]>([
    [{ group_by: 'model' }, FILTERS, 'group_by', /is not known here; allowed are connection_id/],
    [{ group_by: 'day' }, REPORT, 'group_by', /must be any of connection, .* and tag\.<key>/],
    [{ group_by: ['model', 'workspace', 'currency'] }, REPORT, 'group_by', /must not name more than 2/],
    [{ group_by: 'model,model' }, REPORT, 'group_by', /twice/],
    [{ group_by: [] }, REPORT, 'group_by', /must name a group/],
    [{ colour: 'red' }, REPORT, 'colour', /is not known here; allowed are group_by, connection_id/],
    [{ workspace_id: 'w' }, REPORT, 'workspace_id', /is not known here/],
    [{ 'sk-ant-admin01-EXAMPLE': 'w' }, REPORT, null, /is not known here/],
    [{ limit: '5' }, REPORT, 'limit', /is not known here/],
    [{ model: [] }, REPORT, 'model', /must have a value/],
    [{ model: 'a\0' }, REPORT, 'model', /U\+0000/],
    [{ model: '\ud800' }, REPORT, 'model', /surrogate/],
    [{ model: 'sk-ant-admin01-EXAMPLE' }, REPORT, 'model', /a key or a token/],
    [{ 'tag.': 'x' }, REPORT, 'tag', /must be followed by the key of a tag/],
    [{ 'not.tag.team': 'x\0' }, REPORT, 'not.tag.team', /U\+0000/],
    [{ connection_id: 'acme' }, REPORT, 'connection_id', /must be the id of a connection/],
    [{ 'not.connection_id': ['', ID] }, REPORT, 'not.connection_id', /must be the id of a connection/],
    [Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`tag.t${n}`, 'x'])), FILTERS, 'tag', /more than 20 tags/],
  ])('is refused with the name of the parameter: %j', (query, options, parameter, message) => {
    expect(faultsOf(query, options)).toEqual([[parameter, expect.stringMatching(message)]]);
  });

  it('is refused with all its faults at once, in words', () => {
    const faulty = { colour: 'red', model: [] };
    expect(faultsOf(faulty, FILTERS)).toHaveLength(2);
    expect(() => readStoredQuery(faulty, FILTERS)).toThrow(/^colour is not known here; .*; model must have a value/);
  });
});
