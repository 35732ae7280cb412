import { useEffect, useRef } from 'preact/hooks';
import { searchOf, type Schema } from '../../client/client.ts';
import { useReply } from '../../client/use-reply.ts';
import { range } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { Completeness } from '../../parts/completeness.tsx';
import { Failure, Loading, Note } from '../../parts/messages.tsx';
import { BackfillProgress, StandingNote } from '../../parts/standing-note.tsx';
import { counted, isMoving } from '../../parts/standing.ts';
import { linkTo } from '../../route.ts';

type Connection = Schema<'Connection'>;

const OFTEN_MS = 1_000;
const RARELY_MS = 15_000;

/** What became of a key that was sent: the verdict, the days as they come in, and the first numbers. */
export function FirstNumbers({ made, onAnother }: { made: Connection; onAnother: () => void }) {
  const asked = useReply('/v1/connections/{id}', { ids: { id: made.id }, everyMs: OFTEN_MS });
  const connection = asked.data ?? made;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
  }, []);
  return (
    <div class="stack">
      <h2 ref={heading} tabindex={-1}>
        {connection.name}
      </h2>
      <Verdict connection={connection} />
      {asked.error !== null && <Failure error={asked.error} title="The progress cannot be seen just now." />}
      {connection.status === 'active' && <Total connection={connection} />}
      <p class="row">
        <a class="button" href={linkTo(['connections', connection.id])}>
          Open the connection
        </a>
        {!isMoving(connection) && (
          <button type="button" onClick={onAnother}>
            Connect another organization
          </button>
        )}
      </p>
    </div>
  );
}

function Verdict({ connection }: { connection: Connection }) {
  const { organization, status, backfill, name } = connection;
  if (organization === null || status === 'validating') {
    return (
      <>
        <div role="status" class="hidden">
          There is no verdict on the key yet.
        </div>
        <StandingNote of={connection} />
        <p class="muted">
          Anthropic, Temporal or the worker does not answer just now. This page follows what happens; you may leave it.
        </p>
      </>
    );
  }
  if (status === 'active') return <Whose name={organization.name} />;
  if (status === 'backfilling' || status === 'discovering') {
    return (
      <>
        <Whose name={organization.name} />
        <div role="status" class="hidden">{`Reading ${name}`}</div>
        <p>
          {status === 'discovering'
            ? 'Meterline reads the workspaces; the days come next.'
            : `Meterline reads ${range(backfill.from, backfill.to)}.`}
        </p>
        <BackfillProgress of={connection} />
        <StandingWhileWaiting connection={connection} />
      </>
    );
  }
  return <StandingNote of={connection} />;
}

function Whose({ name }: { name: string }) {
  return (
    <Note tone="good" title={`It is ${name}’s key.`} role="status">
      <p>Anthropic accepted it. Check that you meant this organization.</p>
    </Note>
  );
}

function StandingWhileWaiting({ connection }: { connection: Connection }) {
  return connection.waiting === null && connection.error === null ? null : <StandingNote of={connection} />;
}

function Total({ connection }: { connection: Connection }) {
  const { id, backfill } = connection;
  const query = { connection_id: id, from: backfill.from, to: backfill.to };
  const costs = useReply('/v1/costs', { query: { ...query, limit: 1 }, everyMs: RARELY_MS });
  if (costs.error !== null) return <Failure error={costs.error} retry={costs.reload} />;
  if (costs.data === null) return <Loading what="the first numbers" />;
  const explore = linkTo(['explore'], searchOf({ report: 'costs', ...query, group_by: 'workspace,model' }));
  return (
    <>
      <div role="status">
        <p>{`${counted(backfill.days_total, 'day')} ${backfill.days_total === 1 ? 'is' : 'are'} here, ${range(backfill.from, backfill.to)}:`}</p>
        <p class="big num" title={`${costs.data.total} USD`}>
          {usd(costs.data.total)}
        </p>
      </div>
      {connection.note !== null && <p>Anthropic reports no usage yet. That is not an error.</p>}
      <Completeness of={costs.data} />
      <p class="row">
        <a class="button primary" href="#/overview">
          See the overview
        </a>
        <a class="button" href={explore}>
          Explore it by workspace and model
        </a>
      </p>
    </>
  );
}
