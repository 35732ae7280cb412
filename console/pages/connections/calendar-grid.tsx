import { useRef, useState } from 'preact/hooks';
import { linkTo } from '../../route.ts';
import { classesOf, shadesOf, wordsOf, type DayView } from './day-view.ts';
import { dayAfterKey, monthRows, type MonthRow } from './months.ts';

const DATES = Array.from({ length: 31 }, (_, index) => index + 1);

/**
 * A row for each month and a column for each date. One stop of the tab key: the arrow keys move between days, Home and
 * End within a month, Enter opens one.
 */
export function CalendarGrid({ id, views }: { id: string; views: readonly DayView[] }) {
  const table = useRef<HTMLTableElement>(null);
  const [focus, setFocus] = useState<string | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const from = views[0]?.day ?? '';
  const to = views.at(-1)?.day ?? '';
  const home = focus !== null && focus >= from && focus <= to ? focus : to;
  const byDay = new Map(views.map((view) => [view.day, view]));
  const shades = shadesOf(views);
  const about = said === null ? undefined : byDay.get(said);

  const move = (event: KeyboardEvent): void => {
    const next = dayAfterKey(home, event.key, { from, to });
    if (next === null) return;
    event.preventDefault();
    setFocus(next);
    table.current?.querySelector<HTMLElement>(`[data-day="${next}"]`)?.focus();
  };

  return (
    <>
      <div class="table-wrap">
        <table class="cal" ref={table} onKeyDown={move}>
          <caption class="hidden">Each day with its cost and its state. The arrow keys move from day to day.</caption>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">Month</span>
              </th>
              {DATES.map((date) => (
                <th key={date} scope="col">
                  <span class={date === 1 || date % 5 === 0 ? '' : 'hidden'}>{date}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {monthRows({ from, to }).map((row) => (
              <Month
                key={row.month}
                id={id}
                row={row}
                byDay={byDay}
                shades={shades}
                home={home}
                onSay={setSaid}
                onFocus={setFocus}
              />
            ))}
          </tbody>
        </table>
      </div>
      <p class="small cal-says" aria-hidden="true">
        {about === undefined ? 'Point at a day, or go to it with the arrow keys, to read it here.' : wordsOf(about)}
      </p>
    </>
  );
}

function Month(props: {
  id: string;
  row: MonthRow;
  byDay: ReadonlyMap<string, DayView>;
  shades: ReadonlyMap<string, number>;
  home: string;
  onSay: (day: string | null) => void;
  onFocus: (day: string) => void;
}) {
  const { id, row, byDay, shades, home, onSay, onFocus } = props;
  return (
    <tr>
      <th scope="row">{row.name.replace(/^(\w{3})\w*/, '$1')}</th>
      {row.days.map((day, index) => {
        const view = day === null ? undefined : byDay.get(day);
        if (view === undefined) return <td key={index} />;
        return (
          <td key={index}>
            <a
              class={classesOf(view)}
              href={linkTo(['connections', id, 'days', view.day])}
              aria-label={wordsOf(view)}
              tabindex={view.day === home ? 0 : -1}
              data-day={view.day}
              style={{ '--v': String(shades.get(view.day) ?? 0) }}
              onMouseEnter={() => {
                onSay(view.day);
              }}
              onMouseLeave={() => {
                onSay(null);
              }}
              onFocus={() => {
                onSay(view.day);
                onFocus(view.day);
              }}
              onBlur={() => {
                onSay(null);
              }}
            />
          </td>
        );
      })}
    </tr>
  );
}

const MARKS = [
  { name: 'final', words: 'Final, the stronger the more it cost', has: ({ state }: DayView) => state === 'final' },
  { name: 'provisional', words: 'Provisional: may still change', has: ({ state }: DayView) => state === 'provisional' },
  { name: 'missing-day', words: 'Still to be read', has: ({ state }: DayView) => state === 'missing' },
  { name: 'empty', words: 'No usage', has: ({ isEmpty }: DayView) => isEmpty },
  { name: 'flagged', words: 'Anthropic’s own total disagrees', has: ({ isFlagged }: DayView) => isFlagged },
  { name: 'restated', words: 'Restated after it was read', has: ({ restated }: DayView) => restated > 0 },
] as const;

/** What the marks mean that this calendar has. */
export function CalendarLegend({ views }: { views: readonly DayView[] }) {
  return (
    <div class="legend">
      {MARKS.filter(({ has }) => views.some(has)).map(({ name, words }) => (
        <span key={name}>
          <i class={`swatch ${name}`} />
          {words}
        </span>
      ))}
    </div>
  );
}
