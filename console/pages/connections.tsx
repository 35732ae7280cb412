import type { Session } from '../client/session.ts';
import type { Route } from '../route.ts';

/** The connections, or one of them. */
export function Connections({ route, session }: { route: Route; session: Session }) {
  return <h1>{`Connections ${route.path.join(' ')} ${session.role}`}</h1>;
}
