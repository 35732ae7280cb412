import { useReply } from '../../api/use-reply.ts';
import { distance, instant } from '../../format/days.ts';
import { usePages } from '../../parts/pager.tsx';
import type { ListProps } from './lists.tsx';
import { ListFrame } from './list-frame.tsx';

const PAGE = 20;

/** What happened to a connection, newest first, and who asked for it. */
export function EventList({ id, everyMs }: ListProps) {
  const pages = usePages();
  const asked = useReply('/v1/connections/{id}/events', {
    ids: { id },
    query: { limit: PAGE, after: pages.after },
    everyMs,
  });
  return (
    <ListFrame
      asked={asked}
      pages={pages}
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
