import type { Filter } from './query.ts';

/** The ids of the connections that filters name, each once. */
export function connectionsNamed(filters: readonly Filter[]): string[] {
  const named = filters.filter(({ dimension }) => dimension === 'connection').flatMap(({ values }) => values);
  return [...new Set(named.filter((id) => id !== null))];
}

/**
 * The connections that filters name although they are no more, in words that follow "names": an organization that is
 * connected again is another connection, whose lines such filters do not know. `newest` has the newest connection of the
 * organization of each connection that exists.
 */
export function missedConnections(filters: readonly Filter[], newest: ReadonlyMap<string, string>): string[] {
  const ids = connectionsNamed(filters);
  return ids.flatMap((id) => {
    const latest = newest.get(id);
    if (latest === undefined) return [`the connection ${id}, which does not exist`];
    return ids.includes(latest)
      ? []
      : [`the connection ${id}, and not ${latest}, the newer one of the same organization`];
  });
}
