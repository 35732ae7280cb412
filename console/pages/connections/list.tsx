import { searchOf, type Schema } from '../../client/client.ts';
import { useList } from '../../client/use-list.ts';
import { chosenOf } from '../../format/keys.ts';
import { KeyChoice } from '../../parts/choice.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';
import { Badge } from '../../parts/messages.tsx';
import { STATUS_NAMES, coverageOf, nextReadOf, standingOf } from '../../parts/standing.ts';
import { go, linkTo } from '../../route.ts';

type Connection = Schema<'Connection'>;

const PAGE = 100;
const REFRESH_MS = 30_000;

/** All connections: where each stands, which days it has, and when it reads next. */
export function ConnectionList({ query, isAdmin }: { query: URLSearchParams; isAdmin: boolean }) {
  const status = chosenOf(STATUS_NAMES, query.get('status'));
  const list = useList('/v1/connections', {
    query: { status, limit: PAGE },
    everyMs: REFRESH_MS,
  });
  return (
    <>
      <div class="top">
        <h1>Connections</h1>
        {isAdmin && (
          <a class="button primary" href="#/connect">
            Connect an organization
          </a>
        )}
      </div>
      <section class="card" aria-label="All connections">
        <div class="row filter">
          <KeyChoice
            id="status"
            label="Show"
            all="All that were connected, also disconnected ones"
            words={STATUS_NAMES}
            value={status}
            onChoose={(chosen) => {
              go(linkTo(['connections'], searchOf({ status: chosen })), { replace: true });
            }}
          />
        </div>
        <ListFrame
          list={list}
          what="connections"
          none={<None isFiltered={status !== null} isAdmin={isAdmin} />}
          heads={['Name, organization', 'Where it stands', 'Days', 'Next read']}
          row={(connection: Connection) => <Row key={connection.id} connection={connection} />}
        />
      </section>
    </>
  );
}

function None({ isFiltered, isAdmin }: { isFiltered: boolean; isAdmin: boolean }) {
  if (isFiltered) {
    return (
      <>
        No connection is in this status. <a href="#/connections">Show all</a>
      </>
    );
  }
  return (
    <>
      {isAdmin
        ? 'No organization is connected yet. Connect one with its Admin key, and its last 31 days appear here.'
        : 'No organization is connected yet. An admin of this Meterline can connect one.'}
    </>
  );
}

function Row({ connection }: { connection: Connection }) {
  const { id, name, organization, status } = connection;
  const { tone, title } = standingOf(connection);
  return (
    <tr>
      <th scope="row" class="name">
        <a href={linkTo(['connections', id])}>{name}</a>
        <div class="faint small">{organization?.name ?? 'Its organization is not known'}</div>
      </th>
      <td>
        <Badge tone={tone}>{STATUS_NAMES[status]}</Badge>
        <div class="small">{title}</div>
        {connection.candidate !== null && status !== 'validating' && (
          <div class="small">{`Another key, which ends in ${connection.candidate.hint}, waits for its verdict.`}</div>
        )}
      </td>
      <td>{coverageOf(connection)}</td>
      <td>{nextReadOf(connection)}</td>
    </tr>
  );
}
