import { ask, type Reply } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useAction } from '../../client/use-action.ts';
import { useList } from '../../client/use-list.ts';
import { distance, instant } from '../../format/days.ts';
import { Confirm } from '../../parts/confirm.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';
import { Badge, Failure } from '../../parts/messages.tsx';

type BrowserSession = Reply<'/v1/sessions'>['data'][number];

/** The browsers that are in: end a session. */
export function Sessions() {
  const list = useList('/v1/sessions');
  const end = useAction(async (id: string) => {
    await ask('delete', '/v1/sessions/{id}', { ids: { id } });
    list.reload();
  });
  return (
    <Card title="Sessions" aside={<span class="muted">Browsers that are in now</span>}>
      {end.error !== null && <Failure error={end.error} title="The session goes on." />}
      <ListFrame
        list={list}
        what="sessions"
        none="No browser is in."
        heads={['Name', 'Role', 'Began', 'Last seen', 'Ends at the latest', 'Action']}
        class=""
        row={(session: BrowserSession) => (
          <tr key={session.id}>
            <th scope="row" class="name">
              {session.name} {session.current && <Badge tone="good">this browser</Badge>}
            </th>
            <td>{session.role}</td>
            <td>{`${instant(session.created_at)} with a ${session.begun_with}`}</td>
            <td>{distance(session.last_seen_at)}</td>
            <td>{instant(session.expires_at)}</td>
            <td>
              <Confirm
                what={session.current ? 'End this session' : `End the session of ${session.name}`}
                why="That browser must enter again."
                isBusy={end.isBusy}
                onConfirm={() => {
                  end.run(session.id);
                }}
              >
                End
              </Confirm>
            </td>
          </tr>
        )}
      />
    </Card>
  );
}
