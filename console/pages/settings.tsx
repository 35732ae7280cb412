import type { Session } from '../client/session.ts';
import { useList } from '../client/use-list.ts';
import { instant } from '../format/days.ts';
import { Failure, Loading } from '../parts/messages.tsx';
import { More } from '../parts/more.tsx';
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
    <section class="card">
      <header>
        <h2>You</h2>
      </header>
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
    </section>
  );
}

function Events() {
  const list = useList('/v1/events', { query: { limit: 50 } });
  return (
    <section class="card">
      <header>
        <h2>What happened</h2>
        <span class="muted">Tokens and sessions. Each connection has events of its own.</span>
      </header>
      {list.error !== null && <Failure error={list.error} retry={list.reload} />}
      {list.rows === null ? (
        <Loading what="events" />
      ) : list.rows.length === 0 ? (
        <p class="muted">Nothing yet.</p>
      ) : (
        <div class="table-wrap" tabindex={0} role="region" aria-label="Events">
          <table>
            <thead>
              <tr>
                <th>When</th>
                <th>Who</th>
                <th>What</th>
              </tr>
            </thead>
            <tbody>
              {list.rows.map((event) => (
                <tr key={event.id}>
                  <td class="nowrap">{instant(event.at)}</td>
                  <td class="name">{event.actor}</td>
                  <td class="name">{event.message}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More list={list} />
    </section>
  );
}
