import type { Schema } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import type { List } from '../../client/use-list.ts';
import { instant, longMonth } from '../../format/days.ts';
import { Await } from '../../parts/await.tsx';
import { Badge } from '../../parts/messages.tsx';
import { More } from '../../parts/more.tsx';
import { counted } from '../../parts/standing.ts';
import { Table } from '../../parts/table.tsx';
import { placeOf } from './place.ts';

type Version = Schema<'AllocationVersion'>;

/** Every version of the rules, with the months in which it is in force. */
export function Versions({ list }: { list: List<Version> }) {
  if (list.rows?.length === 0) return null;
  return (
    <Card class="stack" title="Versions">
      <Await of={{ ...list, data: list.rows }} what="the versions">
        {(rows) => (
          <Table label="Every version" heads={['Version', 'In force', 'What it has', 'Stored']}>
            {rows.map((version) => (
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
          </Table>
        )}
      </Await>
      {list.more !== null && (
        <div>
          <More list={list} />
        </div>
      )}
    </Card>
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
