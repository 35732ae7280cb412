import { searchOf, type Reply, type Schema } from '../../client/client.ts';
import { useList } from '../../client/use-list.ts';
import { Badge, Failure, Loading } from '../../parts/messages.tsx';
import { More } from '../../parts/more.tsx';
import { STATUS_NAMES, coverageOf, nextReadOf, standingOf } from '../../parts/standing.ts';
import { go, linkTo } from '../../route.ts';

type Connection = Schema<'Connection'>;
type Status = Connection['status'];

const PAGE = 100;
const REFRESH_MS = 30_000;

/** All connections: where each stands, which days it has, and when it reads next. */
export function ConnectionList({ query, isAdmin }: { query: URLSearchParams; isAdmin: boolean }) {
  const status = statusOf(query.get('status'));
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
      <section class="card" aria-label="The connections">
        <Filter status={status} />
        {list.error !== null && <Failure error={list.error} retry={list.reload} />}
        {list.rows === null ? (
          list.error === null && <Loading what="the connections" />
        ) : list.rows.length === 0 ? (
          <None isFiltered={status !== null} isAdmin={isAdmin} />
        ) : (
          <Rows rows={list.rows} />
        )}
        <More list={list} />
      </section>
    </>
  );
}

function statusOf(text: string | null): Status | null {
  return text !== null && isStatus(text) ? text : null;
}

function isStatus(text: string): text is Status {
  return Object.hasOwn(STATUS_NAMES, text);
}

function Filter({ status }: { status: Status | null }) {
  return (
    <div class="row filter">
      <label for="status">Show</label>
      <select
        id="status"
        class="select"
        value={status ?? ''}
        onChange={(event) => {
          go(linkTo(['connections'], searchOf({ status: event.currentTarget.value || null })), { replace: true });
        }}
      >
        <option value="">All that were connected, also disconnected ones</option>
        {Object.entries(STATUS_NAMES).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}

function None({ isFiltered, isAdmin }: { isFiltered: boolean; isAdmin: boolean }) {
  if (isFiltered) {
    return (
      <p class="muted">
        No connection is in this status. <a href="#/connections">Show all</a>
      </p>
    );
  }
  return (
    <p class="muted">
      {isAdmin
        ? 'No organization is connected yet. Connect one with its Admin key, and its last 31 days appear here.'
        : 'No organization is connected yet. An admin of this Meterline can connect one.'}
    </p>
  );
}

function Rows({ rows }: { rows: Reply<'/v1/connections'>['data'] }) {
  return (
    <div class="table-wrap" tabindex={0} role="region" aria-label="Connections">
      <table class="wide-table">
        <thead>
          <tr>
            <th scope="col">Name, organization</th>
            <th scope="col">Where it stands</th>
            <th scope="col">Days</th>
            <th scope="col">Next read</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((connection) => (
            <Row key={connection.id} connection={connection} />
          ))}
        </tbody>
      </table>
    </div>
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
