import { ask, type Schema } from '../../client/client.ts';
import { useReply } from '../../client/use-reply.ts';
import { addDays, today } from '../../format/days.ts';
import type { Filter, SpendQuery } from './query.ts';
import { distinct } from './reports.ts';
import { useLoad } from '../../client/use-load.ts';
import { filterWords, plainName, type NameOf } from './words.ts';

/** A value that somebody may filter by. */
export interface Suggestion {
  /** As the filter has it: an id, or empty for "not reported". */
  readonly id: string;
  readonly name: string;
  /** What it cost in the range; null if nobody knows. */
  readonly amount: string | null;
}

const SUGGESTED = 500;

/** The values of a dimension that the range has, the dearest first. */
export function useSuggestions(
  query: Pick<SpendQuery, 'from' | 'to'>,
  dimension: string | null,
): { readonly list: readonly Suggestion[]; readonly isLoading: boolean } {
  const { from, to } = query;
  const rows = useReply('/v1/costs', {
    query: { from, to, group_by: dimension ?? 'model', order: '-amount', limit: SUGGESTED },
    skip: dimension === null || dimension === 'connection',
  });
  const connections = useReply('/v1/connections', { query: { limit: 100 }, skip: dimension !== 'connection' });
  if (dimension === 'connection') {
    const list = (connections.data?.data ?? []).map(({ id, name }) => ({ id, name, amount: null }));
    return { list: distinct(list), isLoading: connections.data === null && connections.error === null };
  }
  const list = (rows.data?.data ?? []).map((row): Suggestion => {
    const found: unknown = Object.getOwnPropertyDescriptor(row, dimension ?? '')?.value;
    const id = dimension === 'workspace' ? (row.workspace?.id ?? '') : typeof found === 'string' ? found : '';
    const name = dimension === 'workspace' ? row.workspace?.name : undefined;
    return { id, name: name ?? plainName(dimension ?? '', id), amount: row.amount };
  });
  return { list: distinct(list), isLoading: rows.data === null && rows.error === null };
}

/** The names of the workspaces and organizations that the filters of a query name by id. */
export function useNames(query: Pick<SpendQuery, 'from' | 'to' | 'filters'>): NameOf {
  const has = (parameter: string): boolean => query.filters.some((filter) => filter.parameter === parameter);
  const workspaces = distinct(useWorkspaces(has('workspace')));
  const connections = useSuggestions(query, has('connection_id') ? 'connection' : null);
  return (parameter, value) => {
    const name =
      parameter === 'workspace'
        ? workspaces.find(({ id }) => id === value)?.name
        : connections.list.find(({ id }) => id === value)?.name;
    return name ?? plainName(parameter, value);
  };
}

/** Filters as words, with the names of what they name by id: `model is a or b, and workspace is c`; empty for none. */
export function useFilterWords(filters: readonly Filter[]): string {
  const day = today();
  const nameOf = useNames({ from: addDays(day, -30), to: day, filters });
  return filters
    .map((filter) => {
      const { about, values } = filterWords(filter, nameOf);
      return `${about} ${values}`;
    })
    .join(', and ');
}

/** The keys of the tags that workspaces have. */
export function useTagKeys(): readonly string[] {
  const keys = useWorkspaces(true).flatMap(({ tags }) => tags.map(({ key }) => key));
  return [...new Set(keys)].sort();
}

/** The workspaces of every connection. */
export function useWorkspaces(isNeeded: boolean): readonly Workspace[] {
  const { data } = useLoad(isNeeded ? 'workspaces' : null, async (signal) => {
    const connections = await ask('get', '/v1/connections', { query: { limit: 100 }, signal });
    return (await Promise.all(connections.data.map(({ id }) => workspacesOf(id, signal)))).flat();
  });
  return data ?? [];
}

type Workspace = Schema<'Workspace'>;

async function workspacesOf(id: string, signal: AbortSignal): Promise<Workspace[]> {
  const found: Workspace[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const query = { limit: 100, after };
    const page = await ask('get', '/v1/connections/{id}/workspaces', { ids: { id }, query, signal });
    found.push(...page.data);
    after = page.next;
  }
  return found;
}
