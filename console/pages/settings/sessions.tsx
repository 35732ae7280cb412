import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useList } from '../../client/use-list.ts';
import { distance, instant } from '../../format/days.ts';
import { Confirm } from '../../parts/confirm.tsx';
import { Badge, Failure, Loading } from '../../parts/messages.tsx';
import { More } from '../../parts/more.tsx';

type BrowserSession = Reply<'/v1/sessions'>['data'][number];

/** The browsers that are in: end a session. */
export function Sessions() {
  const list = useList('/v1/sessions');
  const end = useAction(async (id: string) => {
    await ask('delete', '/v1/sessions/{id}', { ids: { id } });
    list.reload();
  });
  return (
    <section class="card">
      <header>
        <h2>Sessions</h2>
        <span class="muted">Browsers that are in now</span>
      </header>
      {list.error !== null && <Failure error={list.error} retry={list.reload} />}
      {end.error !== null && <Failure error={end.error} title="The session goes on." />}
      {list.rows === null ? (
        <Loading what="sessions" />
      ) : (
        <SessionTable sessions={list.rows} onEnd={end.run} isBusy={end.isBusy} />
      )}
      <More list={list} />
    </section>
  );
}

function SessionTable(props: { sessions: readonly BrowserSession[]; isBusy: boolean; onEnd: (id: string) => void }) {
  if (props.sessions.length === 0) return <p class="muted">No browser is in.</p>;
  return (
    <div class="table-wrap" tabindex={0} role="region" aria-label="Sessions">
      <table>
        <thead>
          <tr>
            <th>Name</th>
            <th>Role</th>
            <th>Began</th>
            <th>Last seen</th>
            <th>Ends at the latest</th>
            <th>
              <span class="hidden">What can be done</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.sessions.map((session) => (
            <tr key={session.id}>
              <th scope="row" class="name">
                {session.name} {session.current && <Badge tone="good">this browser</Badge>}
              </th>
              <td>{session.role}</td>
              <td>{`${instant(session.created_at)} with a ${session.begun_with}`}</td>
              <td>{distance(session.last_seen_at)}</td>
              <td>{instant(session.expires_at)}</td>
              <td class="r">
                <Confirm
                  what={session.current ? 'End this session' : `End the session of ${session.name}`}
                  why="That browser must enter again."
                  isBusy={props.isBusy}
                  onConfirm={() => {
                    props.onEnd(session.id);
                  }}
                >
                  End
                </Confirm>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
