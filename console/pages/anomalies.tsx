import { searchOf } from '../client/client.ts';
import type { Session } from '../client/session.ts';
import { useList } from '../client/use-list.ts';
import { range } from '../format/days.ts';
import { chosenOf } from '../format/keys.ts';
import { KeyChoice } from '../parts/choice.tsx';
import { Entries } from '../parts/entries.tsx';
import { Badge } from '../parts/messages.tsx';
import { anomalyLink, type Anomaly } from '../parts/unusual.tsx';
import { go, linkTo, type Route } from '../route.ts';
import { AnomalyPage } from './anomalies/anomaly.tsx';
import { Sensitivity } from './anomalies/sensitivity.tsx';
import { KINDS, STATES } from './anomalies/words.ts';
import { SEVERITIES } from './alerts/words.ts';
import '../style/alerts.css';

/** What was unusual about the spend, or one such thing. */
export function Anomalies({ route, session }: { route: Route; session: Session }) {
  const [, id] = route.path;
  const isAdmin = session.role === 'admin';
  if (id !== undefined) return <AnomalyPage key={id} {...{ id, isAdmin }} />;
  return (
    <>
      <div class="top">
        <h1>Anomalies</h1>
      </div>
      <div class="stack">
        <section class="card" aria-labelledby="open">
          <header>
            <h2 id="open">Open</h2>
            <span class="muted">What is unusual now</span>
          </header>
          <List
            query={{ state: 'open' }}
            what="open anomalies"
            none="Nothing is unusual. A connection needs 14 settled days before anything can be."
          />
        </section>
        <All query={route.query} />
        <Sensitivity isAdmin={isAdmin} />
      </div>
    </>
  );
}

function All({ query }: { query: URLSearchParams }) {
  const kind = chosenOf(KINDS, query.get('kind'));
  const state = chosenOf(STATES, query.get('state'));
  const choose = (part: { kind?: string | null; state?: string | null }): void => {
    go(linkTo(['anomalies'], searchOf({ kind, state, ...part })), { replace: true });
  };
  return (
    <section class="card" aria-labelledby="all">
      <header>
        <h2 id="all">All anomalies</h2>
        <span class="muted">Newest first</span>
      </header>
      <div class="row filter">
        <KeyChoice
          id="kind"
          label="Kind"
          all="Every kind"
          words={KINDS}
          value={kind}
          onChoose={(chosen) => {
            choose({ kind: chosen });
          }}
        />
        <KeyChoice
          id="state"
          label="State"
          all="Every state"
          words={STATES}
          value={state}
          onChoose={(chosen) => {
            choose({ state: chosen });
          }}
        />
      </div>
      <List query={{ kind, state }} what="anomalies" none="No anomaly is like this." />
    </section>
  );
}

function List({ query, what, none }: { query: Record<string, string | null>; what: string; none: string }) {
  const list = useList('/v1/anomalies', { query: { ...query, limit: 20 } });
  return (
    <Entries
      list={list}
      what={what}
      none={<p class="muted">{none}</p>}
      row={(anomaly: Anomaly) => (
        <li key={anomaly.id} class="entry">
          <Marks anomaly={anomaly} />
          <h3>
            <a href={anomalyLink(anomaly.id)}>{anomaly.subject}</a>
          </h3>
          <p>{anomaly.sentence}</p>
        </li>
      )}
    />
  );
}

/** How urgent an anomaly is, whether it holds, what it is, and when and where. */
export function Marks({
  anomaly: { severity, state, kind, first_day: from, last_day: to, connection },
}: {
  anomaly: Anomaly;
}) {
  return (
    <div class="row">
      <Badge tone={state === 'open' ? SEVERITIES[severity].tone : 'plain'}>
        {state === 'open' ? SEVERITIES[severity].name : STATES[state]}
      </Badge>
      <span class="muted small">{`${KINDS[kind]}, ${range(from, to)}, in ${connection.name}`}</span>
    </div>
  );
}
