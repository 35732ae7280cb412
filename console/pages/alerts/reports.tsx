import { ask, type Schema } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useAction } from '../../client/use-action.ts';
import { useList } from '../../client/use-list.ts';
import { useReply } from '../../client/use-reply.ts';
import { distance, instant, range } from '../../format/days.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Confirm } from '../../parts/confirm.tsx';
import { Badge, Note, Warnings } from '../../parts/messages.tsx';
import { labelOf } from '../explore/dimensions.ts';
import { useFilterWords } from '../explore/names.ts';
import { Entries } from '../../parts/entries.tsx';
import { placeOf } from './place.ts';
import { filtersOf, whenTold } from './report-draft.ts';
import { useState } from 'preact/hooks';

type Report = Schema<'Report'>;

const PAGE = 50;
const REFRESH_MS = 30_000;

/** The reports that are told by themselves: when, to whom, and what each told last. */
export function Reports({ isAdmin }: { isAdmin: boolean }) {
  const list = useList('/v1/reports', { query: { limit: PAGE }, everyMs: REFRESH_MS });
  return (
    <Card
      title="Reports"
      aside={
        isAdmin && (
          <a class="button" href={placeOf('reports', 'new')}>
            Create a report
          </a>
        )
      }
    >
      <Entries
        list={list}
        what="reports"
        none={
          <p>
            <strong>No report is told yet.</strong>{' '}
            <span class="muted">
              {isAdmin
                ? 'Create one, and the costs of each day, week or month go to your channels by themselves.'
                : 'An admin of this Meterline can create one.'}
            </span>
          </p>
        }
        row={(report: Report) => <ReportEntry key={report.id} {...{ report, isAdmin }} onChange={list.reload} />}
      />
    </Card>
  );
}

function ReportEntry(props: { report: Report; isAdmin: boolean; onChange: () => void }) {
  const { report, isAdmin, onChange } = props;
  const { id, name, schedule, attention, last, created_by: by, temporal } = report;
  return (
    <li class="entry">
      <div class="row">
        {schedule?.paused === true ? <Badge tone="warn">Paused</Badge> : <Badge tone="good">On</Badge>}
        <span class="muted small">{whenTold(report)}</span>
      </div>
      <h3>{isAdmin ? <a href={placeOf('reports', id)}>{name}</a> : name}</h3>
      {attention !== null && <p class="warning">{attention}</p>}
      <Warnings of={report} />
      <p class="muted">
        <Asks report={report} />
      </p>
      <p class="muted">
        <Told channels={report.channels} />
      </p>
      <p class="small">{`${nextText(report)} ${last === null ? 'It told nothing yet.' : ''}`}</p>
      {last !== null && (
        <p class="small">
          {`Told ${range(last.period.from, last.period.to)} last, ${distance(last.at)}. `}
          {last.notice_id !== null && (
            <a href={placeOf('deliveries', null, { notice_id: last.notice_id })}>See to whom</a>
          )}
        </p>
      )}
      <p class="faint small">
        {`Created by ${by}. In Temporal: `}
        {temporal.url === null ? (
          <code>{temporal.schedule_id}</code>
        ) : (
          <a href={temporal.url} rel="noreferrer" title={temporal.schedule_id}>
            its Schedule
          </a>
        )}
      </p>
      {isAdmin && <Actions {...{ report, onChange }} />}
    </li>
  );
}

function nextText({ schedule }: Report): string {
  if (schedule === null) return 'Its next run is not known: Temporal has not answered, or a worker has yet to plan it.';
  if (schedule.paused) return 'It is paused in Temporal, so it has no next run. Resume its Schedule there.';
  const { next_run_at: next } = schedule;
  return next === null ? 'It has no next run.' : `Next run ${instant(next)}, ${distance(next)}.`;
}

/** What a report is about, as words. */
function Asks({ report: { query } }: { report: Report }) {
  const groups = (query['group_by'] ?? ['model']).map(labelOf).join(', then ');
  const conditions = useFilterWords(filtersOf(query));
  return <>{`Costs by ${groups}${conditions === '' ? '' : `, where ${conditions}`}.`}</>;
}

function Told({ channels }: { channels: Report['channels'] }) {
  const { data } = useReply('/v1/channels', { query: { limit: 100 }, skip: channels === null });
  if (channels === null) return <>Goes to every channel that takes reports.</>;
  return (
    <>
      {'Goes to '}
      {channels.map((id, index) => (
        <span key={id}>
          {index > 0 && ', '}
          <a href={placeOf('channels', id)}>{data?.data.find((each) => each.id === id)?.name ?? id}</a>
        </span>
      ))}
      .
    </>
  );
}

function Actions({ report: { id, name }, onChange }: { report: Report; onChange: () => void }) {
  const [said, setSaid] = useState<string | null>(null);
  const run = useAction(async () => {
    const { period, deliveries } = await ask('post', '/v1/reports/{id}/run', { ids: { id } });
    const days = range(period.from, period.to);
    setSaid(
      deliveries.length === 0
        ? `The report of ${days} is among the notices. No channel takes it.`
        : `The report of ${days} goes to ${deliveries.length} ${deliveries.length === 1 ? 'address' : 'addresses'}. A period is told once.`,
    );
    onChange();
  });
  const remove = useAction(async () => {
    await ask('delete', '/v1/reports/{id}', { ids: { id } });
    onChange();
  });
  const failed = run.error ?? remove.error;
  return (
    <>
      <div class="row">
        <button type="button" disabled={run.isBusy} aria-label={`Run ${name} now`} onClick={run.run}>
          Run now
        </button>
        <Confirm
          what={`Delete ${name}`}
          why="It is not told any more. What it told stays among the notices."
          isBusy={remove.isBusy}
          onConfirm={remove.run}
        >
          Delete
        </Confirm>
      </div>
      <div role="status" class="said">
        {said !== null && <Note tone="good" title={said} />}
      </div>
      {failed !== null && <ActionFailure error={failed} />}
    </>
  );
}
