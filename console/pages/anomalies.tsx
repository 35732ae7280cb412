import { Card } from '../parts/card.tsx';
import type { Session } from '../client/session.ts';
import { useList } from '../client/use-list.ts';
import { range } from '../format/days.ts';
import { chosenOf } from '../format/keys.ts';
import { KindAndState } from '../parts/choice.tsx';
import { Entries } from '../parts/entries.tsx';
import { Badge } from '../parts/messages.tsx';
import { anomalyLink, type Anomaly } from '../parts/unusual.tsx';
import type { Route } from '../route.ts';
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
        <Card title="Open" aside={<span class="muted">What is unusual now</span>}>
          <List
            query={{ state: 'open' }}
            what="open anomalies"
            none="Nothing is unusual. A connection needs 14 settled days before anything can be."
          />
        </Card>
        <All query={route.query} />
        <Sensitivity isAdmin={isAdmin} />
      </div>
    </>
  );
}

function All({ query }: { query: URLSearchParams }) {
  const kind = chosenOf(KINDS, query.get('kind'));
  const state = chosenOf(STATES, query.get('state'));
  return (
    <Card title="All anomalies" aside={<span class="muted">Newest first</span>}>
      <KindAndState path={['anomalies']} kinds={KINDS} states={STATES} {...{ kind, state }} />
      <List query={{ kind, state }} what="anomalies" none="No anomaly is like this." />
    </Card>
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
