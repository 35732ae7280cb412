import type { Reply } from '../client/client.ts';
import { Card } from '../parts/card.tsx';
import type { Session } from '../client/session.ts';
import { useList } from '../client/use-list.ts';
import { instant } from '../format/days.ts';
import { ListFrame } from '../parts/list-frame.tsx';
import { Sessions } from './settings/sessions.tsx';
import { Tokens } from './settings/tokens.tsx';

/** Who may use this deployment, who uses it now, and what happened to it. */
export function Settings({ session }: { session: Session }) {
  const isAdmin = session.role === 'admin';
  return (
    <>
      <div class="top">
        <h1>Settings</h1>
      </div>
      <div class="stack">
        <Yourself session={session} />
        {isAdmin && <Tokens />}
        {isAdmin && <Sessions />}
        <Events />
      </div>
    </>
  );
}

function Yourself({ session }: { session: Session }) {
  const { name, role, session: own } = session;
  return (
    <Card title="You">
      <dl>
        <dt>Name</dt>
        <dd>{name}</dd>
        <dt>Role</dt>
        <dd>{role === 'admin' ? 'admin: does everything' : 'viewer: reads everything, changes nothing'}</dd>
        {own !== null && (
          <>
            <dt>Session ends</dt>
            <dd>{`${instant(own.expires_at)} at the latest`}</dd>
          </>
        )}
      </dl>
    </Card>
  );
}

function Events() {
  const list = useList('/v1/events', { query: { limit: 50 } });
  return (
    <Card
      title="What happened"
      aside={
        <span class="muted">Whatever belongs to no single connection. Each connection has events of its own.</span>
      }
    >
      <ListFrame
        list={list}
        what="events"
        none="Nothing yet."
        heads={['When', 'Who', 'What']}
        class="events"
        row={(event: Reply<'/v1/events'>['data'][number]) => (
          <tr key={event.id}>
            <td class="nowrap">{instant(event.at)}</td>
            <td class="name">{event.actor}</td>
            <td class="name">{event.message}</td>
          </tr>
        )}
      />
    </Card>
  );
}
