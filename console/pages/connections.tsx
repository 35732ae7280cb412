import type { Session } from '../client/session.ts';
import type { Route } from '../route.ts';
import { ConnectionPage } from './connections/connection.tsx';
import { ConnectionList } from './connections/list.tsx';
import { DayPage } from './connections/day.tsx';
import '../style/connections.css';

/** The connections, one of them, or a day of one. */
export function Connections({ route, session }: { route: Route; session: Session }) {
  const [, id, part, day] = route.path;
  const isAdmin = session.role === 'admin';
  if (id === undefined) return <ConnectionList query={route.query} isAdmin={isAdmin} />;
  if (part === 'days' && day !== undefined) return <DayPage key={`${id} ${day}`} id={id} day={day} isAdmin={isAdmin} />;
  return <ConnectionPage key={id} id={id} query={route.query} isAdmin={isAdmin} />;
}
