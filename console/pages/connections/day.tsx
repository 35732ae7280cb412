import { useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useReply } from '../../client/use-reply.ts';
import { addDays, instant, isDay, longDay, today } from '../../format/days.ts';
import { count, usd } from '../../format/money.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Failure, Loading, Note } from '../../parts/messages.tsx';
import { isLive } from '../../parts/standing.ts';
import { Table } from '../../parts/table.tsx';
import { UnusualLinks, useAnomalies } from '../../parts/unusual.tsx';
import { linkTo } from '../../route.ts';
import { DayCosts } from './day-costs.tsx';
import { RestatementList } from './restatements.tsx';

type CoverageDay = Reply<'/v1/connections/{id}/coverage'>['data'][number];

const REFRESH_MS = 15_000;

/** What happened to a day of a connection, and what it cost. */
export function DayPage({ id, day, isAdmin }: { id: string; day: string; isAdmin: boolean }) {
  const isKnownDay = isDay(day);
  const connection = useReply('/v1/connections/{id}', { ids: { id }, everyMs: REFRESH_MS, skip: !isKnownDay });
  const query = { from: day, to: day };
  const coverage = useReply('/v1/connections/{id}/coverage', {
    ids: { id },
    query,
    everyMs: REFRESH_MS,
    skip: !isKnownDay,
  });
  const error = coverage.error ?? connection.error;
  const found = coverage.data?.data[0];
  return (
    <>
      <Head id={id} name={connection.data?.name ?? 'Connection'} day={isKnownDay ? day : null} />
      {error !== null && <Failure error={error} />}
      {!isKnownDay ? (
        <p>{`“${day}” is no day. Days look like 2026-11-30.`}</p>
      ) : coverage.data === null ? (
        error === null && <Loading what="the day" />
      ) : found === undefined ? (
        <Note title="This day is not in the history of the connection.">
          <p>
            It lies before its first day, after its end or after today, or its data was deleted. It is unknown and not
            zero.
          </p>
        </Note>
      ) : (
        <div class="grid">
          <Card class="wide stack" title="What is known">
            <Verdict of={found} />
            <Reports of={found} />
            {isAdmin && connection.data !== null && isLive(connection.data) && (
              <ReadAgain id={id} day={day} isPaused={connection.data.status === 'paused'} />
            )}
          </Card>
          <Card class="wide stack" title="Restatements">
            <RestatementList id={id} everyMs={REFRESH_MS} day={day} />
          </Card>
          <WasUnusual id={id} day={day} />
          <DayCosts id={id} day={day} isRead={found.state !== 'missing'} />
        </div>
      )}
    </>
  );
}

/** The anomalies of a day, where there are any. */
function WasUnusual({ id, day }: { id: string; day: string }) {
  const anomalies = useAnomalies({ from: day, to: day, connection_id: id });
  if (anomalies.length === 0) return null;
  return (
    <Card class="wide stack" title="What was unusual">
      <UnusualLinks of={anomalies} />
    </Card>
  );
}

function Head({ id, name, day }: { id: string; name: string; day: string | null }) {
  return (
    <div class="top">
      <div>
        <nav class="crumbs" aria-label="Where this is">
          <a href="#/connections">Connections</a> / <a href={linkTo(['connections', id])}>{name}</a>
        </nav>
        <h1>{day === null ? 'A day' : longDay(day)}</h1>
      </div>
      {day !== null && (
        <div class="row">
          <a class="button" href={linkTo(['connections', id, 'days', addDays(day, -1)])}>
            <span aria-hidden="true">← </span>
            {longDay(addDays(day, -1))}
          </a>
          {day < today() && (
            <a class="button" href={linkTo(['connections', id, 'days', addDays(day, 1)])}>
              {longDay(addDays(day, 1))}
              <span aria-hidden="true"> →</span>
            </a>
          )}
        </div>
      )}
    </div>
  );
}

function Verdict({ of }: { of: CoverageDay }) {
  const { state, usage, disagrees_with, lines } = of;
  if (disagrees_with !== null || usage.disagrees_with !== null) {
    return (
      <Note tone="warn" title="Anthropic’s own total disagrees with its lines.">
        <p>
          Meterline read both again, and they still differ. The numbers stay as reported; each sync reads the day again.
        </p>
      </Note>
    );
  }
  if (state === 'missing' || usage.state === 'missing') {
    return (
      <Note
        tone="warn"
        title={
          state === usage.state
            ? 'This day is still to be read.'
            : `Its ${state === 'missing' ? 'cost' : 'usage'} is still to be read.`
        }
      >
        <p>It is unknown and not zero. Meterline reads it with the next sync.</p>
      </Note>
    );
  }
  if (state === 'provisional' || usage.state === 'provisional') {
    return (
      <Note title="Provisional: this day may still change.">
        <p>Meterline reads it again with each sync until it is final.</p>
      </Note>
    );
  }
  return (
    <Note tone="good" title="Final: this day is believed complete.">
      {lines === 0 && usage.lines === 0 && <p>Nothing was used.</p>}
    </Note>
  );
}

const STATES: Readonly<Record<CoverageDay['state'], string>> = {
  missing: 'Still to be read',
  provisional: 'Provisional',
  final: 'Final',
};

function Reports({ of }: { of: CoverageDay }) {
  const { usage } = of;
  const rows = [
    {
      name: 'Cost',
      report: of,
      total: of.amount === null ? null : usd(of.amount),
      other: of.disagrees_with === null ? null : usd(of.disagrees_with),
    },
    {
      name: 'Usage',
      report: usage,
      total: usage.tokens === null ? null : `${count(usage.tokens)} tokens`,
      other: usage.disagrees_with === null ? null : `${count(usage.disagrees_with)} tokens`,
    },
  ];
  return (
    <Table
      label="Both reports of the day"
      heads={['Report', 'State', 'Total', 'Lines', 'Against Anthropic’s own total', 'Read']}
      numbers={[2, 3]}
      class="wide-table"
    >
      {rows.map(({ name, report, total, other }) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td>{STATES[report.state]}</td>
          <td class="r num">{total ?? '–'}</td>
          <td class="r num">{report.lines ?? '–'}</td>
          <td>{reconciledWords(report, other)}</td>
          <td>{report.read_at === null ? '–' : instant(report.read_at)}</td>
        </tr>
      ))}
    </Table>
  );
}

function reconciledWords(
  { state, reconciled }: Pick<CoverageDay, 'state' | 'reconciled'>,
  other: string | null,
): string {
  if (other !== null) return `Differs: Anthropic’s is ${other}`;
  if (state === 'missing') return '–';
  return reconciled ? 'The lines add up to it' : 'The lines do not add up to it yet';
}

function ReadAgain({ id, day, isPaused }: { id: string; day: string; isPaused: boolean }) {
  const [isAsked, setAsked] = useState(false);
  const { isBusy, error, run } = useAction(async () => {
    await ask('post', '/v1/connections/{id}/sync', { ids: { id }, body: { from: day, to: day } });
    setAsked(true);
  });
  if (isPaused)
    return <p class="muted">The connection is paused. Once it is resumed, you can have this day read again.</p>;
  return (
    <>
      <div class="row">
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            run();
          }}
        >
          Read this day again
        </button>
        <span role="status" class="muted">
          {isBusy
            ? 'Meterline is asked …'
            : isAsked
              ? 'Meterline was asked. “Read” above changes once it is done.'
              : ''}
        </span>
      </div>
      {error !== null && <ActionFailure error={error} />}
    </>
  );
}
