import { linkTo, go } from '../../route.ts';
import { Card } from '../../parts/card.tsx';
import { EventList } from './events.tsx';
import { KeyList } from './keys.tsx';
import { RestatementList } from './restatements.tsx';
import { SyncList } from './syncs.tsx';
import { WorkspaceList } from './workspaces.tsx';

const LISTS = [
  { list: 'syncs', name: 'Syncs', show: (props: ListProps) => <SyncList {...props} /> },
  { list: 'events', name: 'What happened', show: (props: ListProps) => <EventList {...props} /> },
  { list: 'restatements', name: 'Restatements', show: (props: ListProps) => <RestatementList {...props} /> },
  { list: 'workspaces', name: 'Workspaces', show: (props: ListProps) => <WorkspaceList {...props} /> },
  { list: 'keys', name: 'Keys', show: (props: ListProps) => <KeyList {...props} /> },
] as const;

/** What a list of a connection needs. */
export interface ListProps {
  readonly id: string;
  readonly isAdmin: boolean;
  /** How often it may change. */
  readonly everyMs: number;
}

/** One of the lists of a connection; `list` in the address says which. */
export function Lists({ query, ...props }: ListProps & { query: URLSearchParams }) {
  const asked = query.get('list');
  const shown = LISTS.find(({ list }) => list === asked) ?? LISTS[0];
  return (
    <Card class="wide stack" title={shown.name}>
      <div class="tabs" role="group" aria-label="Lists of this connection">
        {LISTS.map(({ list, name }) => (
          <button
            key={list}
            type="button"
            aria-pressed={list === shown.list}
            onClick={() => {
              const search = new URLSearchParams(query);
              search.set('list', list);
              go(linkTo(['connections', props.id], search.toString()), { replace: true });
            }}
          >
            {name}
          </button>
        ))}
      </div>
      {shown.show(props)}
    </Card>
  );
}
