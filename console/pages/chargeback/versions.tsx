import type { Schema } from '../../client/client.ts';
import type { List } from '../../client/use-list.ts';
import { instant, longMonth } from '../../format/days.ts';
import { Badge, Failure, Loading } from '../../parts/messages.tsx';
import { More } from '../../parts/more.tsx';
import { counted } from '../../parts/standing.ts';
import { Sheet } from '../explore/cells.tsx';
import { placeOf } from './place.ts';

type Version = Schema<'AllocationVersion'>;

/** Every version of the rules, with the months in which it is in force. */
export function Versions({ list }: { list: List<Version> }) {
  if (list.rows?.length === 0) return null;
  return (
    <section class="card stack" aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      {list.error !== null && <Failure error={list.error} retry={list.reload} />}
      {list.rows === null ? (
        list.error === null && <Loading what="the versions" />
      ) : (
        <Sheet label="Every version">
          <thead>
            <tr>
              <th scope="col">Version</th>
              <th scope="col">In force</th>
              <th scope="col">What it has</th>
              <th scope="col">Stored</th>
            </tr>
          </thead>
          <tbody>
            {list.rows.map((version) => (
              <tr key={version.version}>
                <th scope="row" class="num">
                  {version.version}
                </th>
                <td>{inForce(version)}</td>
                <td>
                  {`${counted(version.rules.length, 'rule')}${version.pools.length === 0 ? '' : `, ${counted(version.pools.length, 'pool')}`}`}
                </td>
                <td>{`${instant(version.stored_at)} by ${version.stored_by}`}</td>
              </tr>
            ))}
          </tbody>
        </Sheet>
      )}
      {list.more !== null && (
        <div>
          <More list={list} />
        </div>
      )}
    </section>
  );
}

function inForce({ in_force: isInForce, from, through }: Version) {
  if (!isInForce) {
    return (
      <>
        <span class="muted">{`from ${longMonth(from)} `}</span>
        <Badge>replaced</Badge>
      </>
    );
  }
  const words =
    through === null
      ? `from ${longMonth(from)} on`
      : through === from
        ? longMonth(from)
        : `${longMonth(from)} to ${longMonth(through)}`;
  return <a href={placeOf(from, 'rules')}>{words}</a>;
}
