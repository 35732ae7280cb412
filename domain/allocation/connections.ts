import type { Allocation, Rule } from './document.ts';
import type { Warning } from './reach.ts';

/** The ids of the connections that rules name, each once. */
export function connectionsIn({ rules }: Allocation): string[] {
  return [...new Set(rules.flatMap(idsIn))];
}

function idsIn({ where }: Rule): string[] {
  return where
    .filter(({ dimension }) => dimension === 'connection')
    .flatMap(({ values }) => values.filter((value) => value !== null));
}

/**
 * What becomes of rules whose connections are no more: an organization that is connected again is another connection, whose
 * lines such a rule does not know. `newest` has the newest connection of the organization of each connection that exists.
 */
export function connectionWarnings({ rules }: Allocation, newest: ReadonlyMap<string, string>): Warning[] {
  return rules.flatMap((rule, index) => {
    const ids = idsIn(rule);
    return ids.flatMap((id): Warning[] => {
      const latest = newest.get(id);
      if (latest !== undefined && ids.includes(latest)) return [];
      const why =
        latest === undefined ? 'which does not exist' : `and not ${latest}, the newer one of the same organization`;
      return [{ path: `rules.${index}`, message: `the rule "${rule.name}" names the connection ${id}, ${why}` }];
    });
  });
}
