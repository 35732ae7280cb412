import type { Route } from '../route.ts';

/** Asks any spend query. */
export function Explore({ route }: { route: Route }) {
  return <h1>{`Explore ${route.query.toString()}`}</h1>;
}
