import type { ComponentChildren } from 'preact';
import { longMonth } from '../../format/days.ts';
import { difference, signOf, sum } from '../../format/decimal.ts';
import { usd } from '../../format/money.ts';
import { Completeness } from '../../parts/completeness.tsx';
import { Failure, Loading, Note } from '../../parts/messages.tsx';
import { Table } from '../../parts/table.tsx';
import { Amount } from './figure.tsx';
import type { Preview, Previewed } from './use-preview.ts';
import { centerName } from './words.ts';

/** What the rules on the page would change in the month, as somebody edits them. */
export function PreviewCard(props: { month: string; previewed: Previewed; children: ComponentChildren }) {
  const { preview, error, isOld, remarks } = props.previewed;
  const faults = remarks.filter(({ isFault }) => isFault);
  const general = faults.filter(({ key }) => key === null);
  return (
    <section class="card stack preview" aria-labelledby="preview" aria-busy={isOld && faults.length === 0}>
      <div>
        <h2 id="preview">{`What these rules do to ${longMonth(props.month)}`}</h2>
        <p class="muted small">Before is by the rules in force. Nothing is stored until you save.</p>
      </div>
      {error !== null && <Failure error={error} />}
      {faults.length > 0 && (
        <Note tone="bad" title="These rules cannot be used yet." role="status">
          {general.length === 0 ? (
            <p>The rule or pool that is at fault says why. The numbers are those before it.</p>
          ) : (
            general.map(({ message }) => <p key={message}>{message}</p>)
          )}
        </Note>
      )}
      {preview === null ? (
        faults.length === 0 && error === null && <Loading what="the preview" />
      ) : (
        <div class={`stack ${isOld ? 'old' : ''}`}>
          <Changes preview={preview} />
          <Pools pools={preview.pools} />
          <Completeness of={preview} />
        </div>
      )}
      {props.children}
    </section>
  );
}

function Changes({ preview }: { preview: Preview }) {
  const rows = [...preview.data].sort((a, b) => {
    if ((a.cost_center === null) !== (b.cost_center === null)) return a.cost_center === null ? 1 : -1;
    return signOf(difference(b.after, a.after)) || signOf(difference(b.before, a.before));
  });
  return (
    <Table
      label="Before and after"
      heads={['Cost center', 'Before', 'After', 'Change']}
      numbers={[1, 2, 3]}
      foot={
        <>
          <th scope="row">Total</th>
          <Amount value={sum('0', ...rows.map(({ before }) => before))} />
          <Amount value={preview.total} />
          <td />
        </>
      }
    >
      {rows.map(({ cost_center: center, before, after, change }) => (
        <tr key={center ?? ''} class={center === null ? 'of-nobody' : ''}>
          <th scope="row" class="name">
            {centerName(center)}
          </th>
          <Amount value={before} />
          <Amount value={after} />
          <ChangeCell value={change} />
        </tr>
      ))}
    </Table>
  );
}

function ChangeCell({ value }: { value: string }) {
  if (signOf(value) === 0) return <td class="r faint">–</td>;
  return <Amount value={value} isChange />;
}

function Pools({ pools }: { pools: Preview['pools'] }) {
  if (pools.length === 0) return null;
  return (
    <details>
      <summary>How the pools are shared</summary>
      <div class="stack pool-shares">
        {pools.map(({ pool, amount, shares }) => (
          <div key={pool}>
            <h3>{`${pool}: ${usd(amount)}`}</h3>
            <ul class="plain-list">
              {shares.map(({ cost_center: center, share }) => (
                <li key={center ?? ''} class="spread">
                  <span class="name">{centerName(center)}</span>
                  <span class="num" title={share}>{`${(Number(share) * 100).toFixed(2)} %`}</span>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </div>
    </details>
  );
}
