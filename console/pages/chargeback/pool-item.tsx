import { useId } from 'preact/hooks';
import { difference, signOf, sum } from '../../format/decimal.ts';
import { centersOf, newRecipient, type Draft, type DraftPool, type Recipient, type Split } from './draft.ts';
import { Item } from './item.tsx';
import type { ItemActions } from './item-actions.ts';
import type { Remark } from './use-preview.ts';
import { poolText } from './words.ts';
import { Select } from '../../parts/select.tsx';

interface PoolProps {
  readonly pool: DraftPool;
  readonly index: number;
  readonly draft: Draft;
  readonly remarks: readonly Remark[];
  readonly isOpen: boolean;
  readonly actions: ItemActions | null;
  readonly onChange: (pool: DraftPool) => void;
}

/** A pool in its list. */
export function PoolItem({ pool, index, draft, remarks, isOpen, actions, onChange }: PoolProps) {
  return (
    <Item
      kind="pool"
      id={pool.key}
      name={pool.name}
      says={poolText(pool)}
      count={draft.pools.length}
      {...{ index, remarks, isOpen, actions }}
    >
      <div class="fields">
        <label>
          Name of the pool
          <input
            value={pool.name}
            autocomplete="off"
            data-at="pool-name"
            onInput={(event) => {
              onChange({ ...pool, name: event.currentTarget.value });
            }}
          />
        </label>
        <SplitField {...{ pool, onChange }} />
      </div>
      <RecipientFields {...{ pool, index, draft, onChange }} />
    </Item>
  );
}

const SPLITS: Readonly<Record<Split, string>> = {
  cost: 'in proportion to cost',
  tokens: 'in proportion to tokens',
  even: 'in equal parts',
  fixed: 'in fixed shares',
};

function SplitField({ pool, onChange }: Pick<PoolProps, 'pool' | 'onChange'>) {
  return (
    <label>
      It is split
      <Select
        value={pool.split}
        options={Object.entries(SPLITS)}
        onChoose={(value) => {
          const split = value === 'fixed' || value === 'even' || value === 'tokens' ? value : 'cost';
          const among = split === 'fixed' && pool.among === null ? [newRecipient()] : pool.among;
          onChange({ ...pool, split, among });
        }}
      />
    </label>
  );
}

function RecipientFields({ pool, index, draft, onChange }: Pick<PoolProps, 'pool' | 'index' | 'draft' | 'onChange'>) {
  const { among, split } = pool;
  const set = (next: readonly Recipient[] | null): void => {
    onChange({ ...pool, among: next });
  };
  const later = draft.pools.slice(index + 1).map(({ name }) => name);
  return (
    <fieldset class="conditions">
      <legend class="label">Who shares it</legend>
      {split !== 'fixed' && (
        <label class="check">
          <input
            type="checkbox"
            checked={among === null}
            onChange={(event) => {
              set(event.currentTarget.checked ? null : centersOf(draft).map((name) => ({ ...newRecipient(), name })));
            }}
          />
          every cost center with direct cost in the month
        </label>
      )}
      {among?.map((recipient) => (
        <RecipientRow
          key={recipient.key}
          {...{ recipient, later, draft }}
          hasPercent={split === 'fixed'}
          onChange={(next) => {
            set(among.map((each) => (each.key === next.key ? next : each)));
          }}
          onRemove={() => {
            set(among.filter((each) => each !== recipient));
          }}
        />
      ))}
      {among !== null && (
        <div class="spread">
          <button
            type="button"
            class="small"
            onClick={() => {
              set([...among, newRecipient()]);
            }}
          >
            Add a recipient
          </button>
          {split === 'fixed' && <SharesSum among={among} />}
        </div>
      )}
    </fieldset>
  );
}

/** How far the shares are from 100, exactly. */
function SharesSum({ among }: { among: readonly Recipient[] }) {
  const shares = among.map(({ percent }) => percent.trim()).filter((percent) => /^\d+(?:\.\d+)?$/.test(percent));
  const total = sum('0', ...shares);
  const left = difference('100', total);
  const sign = signOf(left);
  return (
    <span class={`num ${sign === 0 ? 'muted' : 'warning'}`} role="status">
      {sign === 0
        ? '100 % in all'
        : `${total} % in all, ${sign > 0 ? `${left} % is left` : `${left.replace('-', '')} % too much`}`}
    </span>
  );
}

function RecipientRow(props: {
  recipient: Recipient;
  /** The names of the pools that come later, which may share it, too. */
  later: readonly string[];
  draft: Draft;
  hasPercent: boolean;
  onChange: (recipient: Recipient) => void;
  onRemove: () => void;
}) {
  const { recipient, later, draft, hasPercent, onChange, onRemove } = props;
  const list = useId();
  const options = [...later.map((name) => `pool ${name}`), ...centersOf(draft)];
  const text = recipient.kind === 'pool' ? `pool ${recipient.name}` : recipient.name;
  return (
    <div class={`recipient ${hasPercent ? 'has-percent' : ''}`}>
      <input
        value={text}
        list={list}
        autocomplete="off"
        aria-label="Cost center, or pool that comes later"
        onInput={(event) => {
          onChange({ ...recipient, ...recipientOf(event.currentTarget.value, draft) });
        }}
      />
      <datalist id={list}>
        {options.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {hasPercent && (
        <input
          value={recipient.percent}
          inputmode="decimal"
          autocomplete="off"
          aria-label={`Share of ${text === '' ? 'the new recipient' : text} in percent`}
          placeholder="%"
          onInput={(event) => {
            onChange({ ...recipient, percent: event.currentTarget.value });
          }}
        />
      )}
      <button
        type="button"
        class="small"
        aria-label={`Remove ${text === '' ? 'the recipient' : text}`}
        onClick={onRemove}
      >
        ×
      </button>
    </div>
  );
}

/** A text that names a pool of the document after the word is that pool; any other is a cost center. */
function recipientOf(text: string, { pools }: Draft): Pick<Recipient, 'kind' | 'name'> {
  const name = text.replace(/^pool /, '');
  return name !== text && pools.some((pool) => pool.name === name)
    ? { kind: 'pool', name }
    : { kind: 'center', name: text };
}
