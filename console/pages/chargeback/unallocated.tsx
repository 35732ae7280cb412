import type { Reply } from '../../client/client.ts';
import { valueText } from '../explore/dimensions.ts';
import { Table } from '../../parts/table.tsx';
import { Amount, ShareCell } from './figure.tsx';
import { placeOf } from './place.ts';

type Month = Reply<'/v1/chargeback/{month}'>;
type Group = Month['unallocated']['largest'][number];

/** What belongs to nobody, why, and the way to a rule that changes it. */
export function Unallocated({ data, canMakeRules }: { data: Month; canMakeRules: boolean }) {
  const { largest, amount } = data.unallocated;
  return (
    <section class="card stack" aria-labelledby="nobody">
      <div>
        <h2 id="nobody">What belongs to nobody</h2>
        <p class="muted small">
          {largest.length < 10 ? 'All of it, the largest first.' : 'The ten largest groups of it.'}
        </p>
      </div>
      <Table
        label="The largest groups of it"
        heads={[
          'Workspace',
          'Cost',
          'Why',
          'Amount',
          'Of what belongs to nobody',
          ...(canMakeRules ? [<span class="hidden">What can be done</span>] : []),
        ]}
        numbers={[3]}
      >
        {largest.map((group, index) => (
          <tr key={index}>
            <th scope="row" class="name">
              {group.workspace.name}
            </th>
            <td class="name">{costText(group)}</td>
            <td class="name">{whyText(group)}</td>
            <Amount value={group.amount} />
            <ShareCell amount={group.amount} whole={amount} isMuted />
            {canMakeRules && (
              <td class="r">
                <a class="button small" href={remedyOf(data.month, group)}>
                  {group.pool === null ? 'Make a rule' : 'Mend the pool'}
                  <span class="hidden">{` for ${group.workspace.name}, ${costText(group)}`}</span>
                </a>
              </td>
            )}
          </tr>
        ))}
      </Table>
    </section>
  );
}

function costText({ model, cost_type: type }: Group): string {
  if (model !== null) return model;
  return type === null ? 'not named by Anthropic' : valueText('cost_type', type);
}

function whyText({ pool, why }: Group): string {
  return why === 'no_rule' ? 'No rule takes it' : `The pool ${pool ?? ''} has nobody to share it`;
}

/** Where a rule for a group begins, or its pool can be mended. */
function remedyOf(month: string, { pool, workspace, model, cost_type: type }: Group): string {
  if (pool !== null) return placeOf(month, 'rules', { pool });
  return placeOf(month, 'rules', {
    workspace: workspace.id ?? '',
    ...(model === null ? { cost_type: type ?? '' } : { model }),
  });
}
