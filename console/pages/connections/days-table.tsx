import { longDay } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { linkTo } from '../../route.ts';
import { notesOf, type DayView } from './day-view.ts';

/** The calendar as a table, the newest day first. */
export function DaysTable({ id, views }: { id: string; views: readonly DayView[] }) {
  return (
    <div class="table-wrap tall" tabindex={0} role="region" aria-label="The days as a table">
      <table>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col" class="r">
              Cost
            </th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {views.toReversed().map((view) => (
            <tr key={view.day}>
              <th scope="row">
                <a href={linkTo(['connections', id, 'days', view.day])}>{longDay(view.day)}</a>
              </th>
              <td class="r num">{view.amount === null ? '–' : usd(view.amount)}</td>
              <td>{notesOf(view).join(' ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
