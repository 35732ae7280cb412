import { useEffect, useRef, useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import { ask, type Reply } from '../../client/client.ts';
import { onSignedOut } from '../../client/session.ts';
import { useReply } from '../../client/use-reply.ts';
import { range, today } from '../../format/days.ts';
import { Failure, Loading } from '../../parts/messages.tsx';
import { linkTo } from '../../route.ts';
import { CalendarGrid, CalendarLegend } from './calendar-grid.tsx';
import { dayView, summaryOf, timesRestated, type DayView } from './day-view.ts';
import { DaysTable } from './days-table.tsx';
import { windowOf, type DayRange } from './months.ts';

/** Every day of a connection's history, at most a year at once. `beat` changes whenever days may have changed. */
export function Calendar(props: { id: string; began: string; until: string | null; beat: string }) {
  const { id, began, until, beat } = props;
  const window = windowOf(began, until, today());
  const { from, to } = window;
  const coverage = useReply('/v1/connections/{id}/coverage', { ids: { id }, query: { from, to } });
  const restated = useRestatements(id, window, beat);
  const seen = useRef(beat);
  useEffect(() => {
    if (seen.current !== beat) coverage.reload();
    seen.current = beat;
  }, [beat]);
  const views = coverage.data?.data.map((day) => dayView(day, restated.times.get(day.day) ?? 0)) ?? [];
  return (
    <Card class="wide" title="Every day" aside={<Years window={window} id={id} />}>
      {coverage.error !== null && <Failure error={coverage.error} retry={coverage.reload} />}
      {restated.error !== null && (
        <Failure error={restated.error} title="The calendar lacks the marks of restated days." />
      )}
      {coverage.data === null ? (
        coverage.error === null && <Loading what="the days" />
      ) : views.length === 0 ? (
        <p class="muted">No day is stored.</p>
      ) : (
        <Days id={id} views={views} />
      )}
    </Card>
  );
}

function Days({ id, views }: { id: string; views: readonly DayView[] }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <p>{summaryOf(views)}</p>
      <CalendarGrid id={id} views={views} />
      <CalendarLegend views={views} />
      <details
        onToggle={(event) => {
          setOpen(event.currentTarget.open);
        }}
      >
        <summary>The days as a table</summary>
        {isOpen && <DaysTable id={id} views={views} />}
      </details>
    </>
  );
}

function Years({ window, id }: { window: ReturnType<typeof windowOf>; id: string }) {
  const { from, to, older, newer } = window;
  const link = (until: string): string => linkTo(['connections', id], `until=${until}`);
  return (
    <span class="row">
      <span class="muted">{`${range(from, to)}, UTC`}</span>
      {older !== null && (
        <a href={link(older)}>
          <span aria-hidden="true">← </span>Older days
        </a>
      )}
      {newer !== null && (
        <a href={link(newer)}>
          Newer days<span aria-hidden="true"> →</span>
        </a>
      )}
    </span>
  );
}

type Restatement = Reply<'/v1/connections/{id}/restatements'>['data'][number];

const PAGE = 500;
/** So many restatements in a year would mean several on every day: then the marks say nothing anyway. */
const MOST_PAGES = 20;

/** How often each day of a range was restated. */
function useRestatements(id: string, { from, to }: DayRange, beat: string) {
  const [times, setTimes] = useState<ReadonlyMap<string, number>>(new Map());
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const over = new AbortController();
    allOf(id, { from, to }, over.signal).then(
      (found) => {
        setTimes(timesRestated(found));
        setError(null);
      },
      (failure: unknown) => {
        if (over.signal.aborted || onSignedOut(failure)) return;
        setError(failure instanceof Error ? failure : new Error(String(failure)));
      },
    );
    return () => {
      over.abort();
    };
  }, [id, from, to, beat]);
  return { times, error };
}

async function allOf(id: string, { from, to }: DayRange, signal: AbortSignal): Promise<Restatement[]> {
  const all: Restatement[] = [];
  let after: string | null = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const query = { from, to, limit: PAGE, after };
    const reply: Reply<'/v1/connections/{id}/restatements'> = await ask('get', '/v1/connections/{id}/restatements', {
      ids: { id },
      query,
      signal,
    });
    all.push(...reply.data);
    after = reply.next;
    if (after === null) break;
  }
  return all;
}
