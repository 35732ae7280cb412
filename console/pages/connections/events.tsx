import { useList } from '../../client/use-list.ts';
import { distance, instant } from '../../format/days.ts';
import type { ListProps } from './lists.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';

const PAGE = 20;

/** What happened to a connection, newest first, and who asked for it. */
export function EventList({ id, everyMs }: ListProps) {
  const list = useList('/v1/connections/{id}/events', {
    ids: { id },
    query: { limit: PAGE },
    everyMs,
  });
  return (
    <ListFrame
      list={list}
      what="events"
      none="Nothing happened yet."
      heads={['When', 'What', 'Who']}
      row={(event) => (
        <tr key={event.id}>
          <td class="when">
            <span title={distance(event.at)}>{instant(event.at)}</span>
          </td>
          <td class="name">{event.message}</td>
          <td>{event.actor === 'meterline' ? 'Meterline' : event.actor}</td>
        </tr>
      )}
    />
  );
}
