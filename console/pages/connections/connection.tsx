import { useEffect, useState } from 'preact/hooks';
import { ApiError, searchOf, type Schema } from '../../client/client.ts';
import { useReply } from '../../client/use-reply.ts';
import { distance, instant, today } from '../../format/days.ts';
import { Badge, Failure, Loading, Note } from '../../parts/messages.tsx';
import { StandingNote } from '../../parts/standing-note.tsx';
import { STATUS_NAMES, coverageOf, isMoving, nextReadOf, standingOf } from '../../parts/standing.ts';
import { go, linkTo } from '../../route.ts';
import { Actions, type Doing } from './actions.tsx';
import { Calendar } from './calendar.tsx';
import { Lists } from './lists.tsx';
import { WorkflowLink } from './workflow-link.tsx';

type Connection = Schema<'Connection'>;

const OFTEN_MS = 2_000;
const RARELY_MS = 30_000;
/** What somebody asked for begins within so long, or not before a worker runs. */
const HURRY_MS = 20_000;

/** One connection: where it stands, what can be done, every day of it, and what happened. */
export function ConnectionPage({ id, query, isAdmin }: { id: string; query: URLSearchParams; isAdmin: boolean }) {
  const [hurryUntil, setHurry] = useState(0);
  const [everyMs, setEvery] = useState(RARELY_MS);
  const [said, setSaid] = useState<string | null>(null);
  const asked = useReply('/v1/connections/{id}', { ids: { id }, everyMs });
  const connection = asked.data;
  useEffect(() => {
    if (connection === null) return;
    setEvery(isMoving(connection) || Date.now() < hurryUntil ? OFTEN_MS : RARELY_MS);
  }, [connection, hurryUntil]);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => {
      setSaid(null);
    }, HURRY_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [said, hurryUntil]);
  const [doing, setDoing] = useDoing(id, query, isAdmin);

  if (connection === null) {
    return asked.error === null ? <Loading what="the connection" /> : <Missing error={asked.error} />;
  }
  return (
    <>
      <Head connection={connection} />
      <div class="grid">
        {asked.error !== null && (
          <Failure error={asked.error} title="This page cannot be brought up to date just now." />
        )}
        <section class="card wide stack" aria-labelledby="standing">
          <h2 id="standing" class="hidden">
            Where it stands
          </h2>
          <Standing connection={connection} isAdmin={isAdmin} />
          {isAdmin && (
            <Actions
              connection={connection}
              doing={doing}
              onDoing={setDoing}
              onDone={(words) => {
                setSaid(words);
                setHurry(Date.now() + HURRY_MS);
                asked.reload();
              }}
            />
          )}
          <div role="status" class="said">
            {said !== null && <Note title={said} />}
          </div>
          <Facts connection={connection} />
        </section>
        <Calendar id={id} began={connection.backfill.from} until={query.get('until')} beat={beatOf(connection)} />
        <Lists id={id} query={query} isAdmin={isAdmin} everyMs={everyMs} />
      </div>
    </>
  );
}

function Standing({ connection, isAdmin }: { connection: Connection; isAdmin: boolean }) {
  return (
    <StandingNote of={connection}>
      {!isAdmin && standingOf(connection).help !== null && (
        <p class="muted">You see this as a viewer. An admin of this Meterline can help it.</p>
      )}
    </StandingNote>
  );
}

/** What is being done, in a dialog; `?do=rotate` in a link opens it. */
function useDoing(id: string, query: URLSearchParams, isAdmin: boolean): [Doing, (doing: Doing) => void] {
  const [doing, setDoing] = useState<Doing>(null);
  const isAsked = query.get('do') === 'rotate';
  useEffect(() => {
    if (!isAsked) return;
    go(linkTo(['connections', id]), { replace: true });
    if (isAdmin) setDoing('rotate');
  }, [isAsked]);
  return [doing, setDoing];
}

/** Changes whenever days may have changed. */
function beatOf({ missing_days, covered_through, status, last_sync, backfill }: Connection): string {
  const sync = last_sync === null ? [] : [last_sync.run_id, last_sync.state, last_sync.days_read];
  return [backfill.from, missing_days, covered_through, status === 'disconnected', ...sync].join(' ');
}

function Missing({ error }: { error: Error }) {
  const isGone = error instanceof ApiError && error.problem.status === 404;
  return (
    <div class="stack">
      <h1>{isGone ? 'There is no such connection' : 'Connection'}</h1>
      {isGone ? <p>The address may be cut off, or belong to another Meterline.</p> : <Failure error={error} />}
      <p>
        <a href="#/connections">All connections</a>
      </p>
    </div>
  );
}

function Head({ connection }: { connection: Connection }) {
  const { name, organization, status } = connection;
  return (
    <div class="top">
      <div>
        <nav class="crumbs" aria-label="Where this is">
          <a href="#/connections">Connections</a>
        </nav>
        <h1>{name}</h1>
        <span class="muted">
          {organization === null ? 'Its organization is not known yet' : `Organization ${organization.name}`}
        </span>
      </div>
      <Badge tone={standingOf(connection).tone}>{STATUS_NAMES[status]}</Badge>
    </div>
  );
}

function Facts({ connection }: { connection: Connection }) {
  const { id, key, organization, backfill, created_at, temporal } = connection;
  const explore = linkTo(
    ['explore'],
    searchOf({ report: 'costs', connection_id: id, from: backfill.from, to: today(), group_by: 'month,workspace' }),
  );
  return (
    <dl class="facts">
      <dt>Days</dt>
      <dd>
        {coverageOf(connection)}. {backfill.days_done > 0 && <a href={explore}>Explore its costs</a>}
      </dd>
      <dt>Next read</dt>
      <dd>{nextReadOf(connection)}</dd>
      <dt>Key</dt>
      <dd>
        {key === null
          ? 'None'
          : `Ends in ${key.hint}, added ${instant(key.added_at)}${key.last_used_at === null ? '' : `, last used ${distance(key.last_used_at)}`}`}
      </dd>
      <dt>Connected</dt>
      <dd>{instant(created_at)}</dd>
      {organization !== null && (
        <>
          <dt>Organization id</dt>
          <dd>
            <code>{organization.id}</code>
          </dd>
        </>
      )}
      <dt>Workflow</dt>
      <dd>
        <WorkflowLink of={temporal} />
      </dd>
    </dl>
  );
}
