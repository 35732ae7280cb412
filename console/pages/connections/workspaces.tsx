import type { Schema } from '../../client/client.ts';
import { useList } from '../../client/use-list.ts';
import { longDay } from '../../format/days.ts';
import { Badge } from '../../parts/messages.tsx';
import type { ListProps } from './lists.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';

type Workspace = Schema<'Workspace'>;

const PAGE = 50;
const REFRESH_MS = 60_000;

/** The workspaces with their tags and former names, archived ones too. */
export function WorkspaceList({ id }: ListProps) {
  const list = useList('/v1/connections/{id}/workspaces', {
    ids: { id },
    query: { limit: PAGE },
    everyMs: REFRESH_MS,
  });
  return (
    <ListFrame
      list={list}
      what="workspaces"
      none="No workspace is known yet."
      heads={['Workspace', 'Tags', 'Former names', 'Since']}
      row={(workspace: Workspace) => <Row key={workspace.id ?? ''} workspace={workspace} />}
    />
  );
}

function Row({ workspace }: { workspace: Workspace }) {
  const { id, name, tags, names, created_at, archived_at } = workspace;
  const former = names.slice(0, -1);
  return (
    <tr>
      <th scope="row" class="name">
        {name} {archived_at !== null && <Badge>{`Archived on ${longDay(archived_at.slice(0, 10))}`}</Badge>}
        <div class="faint small">{id === null ? 'Anthropic gives it no id' : <code>{id}</code>}</div>
      </th>
      <td class="name">
        {tags.length === 0
          ? '–'
          : tags.map(({ key, value, first_seen }) => (
              <div key={key} title={`First read on ${longDay(first_seen)}`}>
                <span class="muted">{key}</span> {value}
              </div>
            ))}
      </td>
      <td class="name">
        {former.length === 0
          ? '–'
          : former.map((each, index) => (
              <div key={`${each.first_seen} ${index}`}>
                {each.name} <span class="faint small">{`from ${longDay(each.first_seen)}`}</span>
              </div>
            ))}
      </td>
      <td>{created_at === null ? '–' : longDay(created_at.slice(0, 10))}</td>
    </tr>
  );
}
