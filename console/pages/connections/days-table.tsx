import { longDay } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { Table } from '../../parts/table.tsx';
import { linkTo } from '../../route.ts';
import { notesOf, type DayView } from './day-view.ts';

/** The calendar as a table, the newest day first. */
export function DaysTable({ id, views }: { id: string; views: readonly DayView[] }) {
  return (
    <Table label="The days as a table" heads={['Day', 'Cost', 'State']} numbers={[1]} wrap="tall">
      {views.toReversed().map((view) => (
        <tr key={view.day}>
          <th scope="row">
            <a href={linkTo(['connections', id, 'days', view.day])}>{longDay(view.day)}</a>
          </th>
          <td class="r num">{view.amount === null ? '–' : usd(view.amount)}</td>
          <td>{notesOf(view).join(' ')}</td>
        </tr>
      ))}
    </Table>
  );
}
