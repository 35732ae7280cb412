import { connectionsNamed, missedConnections } from '../spend/missed-connections.ts';
import type { Allocation } from './document.ts';
import type { Warning } from './reach.ts';

/** The ids of the connections that rules name. */
export function connectionsIn({ rules }: Allocation): string[] {
  return connectionsNamed(rules.flatMap(({ where }) => where));
}

/**
 * The rules whose connections are no more. `newest` has the newest connection of the organization of each connection that
 * exists.
 */
export function connectionWarnings({ rules }: Allocation, newest: ReadonlyMap<string, string>): Warning[] {
  return rules.flatMap(({ name, where }, index) =>
    missedConnections(where, newest).map((missed) => ({
      path: `rules.${index}`,
      message: `the rule "${name}" names ${missed}`,
    })),
  );
}
