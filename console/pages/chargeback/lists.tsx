import { useEffect, useState } from 'preact/hooks';
import { go } from '../../route.ts';
import { nameOf, newPool, newRule, withPool, type Condition, type Draft } from './draft.ts';
import type { EditorFacts } from './facts.ts';
import { useFocusNext } from './item.tsx';
import { actionsOf, type Desk } from './item-actions.ts';
import { placeOf } from './place.ts';
import { PoolItem } from './pool-item.tsx';
import { RuleItem } from './rule-item.tsx';
import { Starts } from './starts.tsx';
import type { Remark } from './use-preview.ts';

interface ListsProps {
  readonly month: string;
  readonly draft: Draft;
  readonly facts: EditorFacts;
  /** May name what a new rule begins with, or a pool to mend. */
  readonly query: URLSearchParams;
  readonly remarks: readonly Remark[];
  readonly onChange: (draft: Draft) => void;
}

/** The rules and the pools as two ordered lists. */
export function Lists(props: ListsProps) {
  const { draft, facts, onChange } = props;
  const { desk, box, said, show } = useDesk();
  const add = (where: readonly Condition[]): void => {
    const rule = newRule(where);
    onChange({ ...draft, rules: [...draft.rules, rule] });
    show(rule.key, 'target');
  };
  useAsked(props, add, (key) => {
    show(key, 'pool-name');
  });
  const isEmpty = draft.rules.length === 0 && draft.pools.length === 0;
  return (
    <div class="stack" ref={box}>
      <p class="hidden" role="status">
        {said}
      </p>
      {isEmpty ? (
        <Starts facts={facts} onStart={onChange} />
      ) : (
        <>
          <RuleList {...props} desk={desk} />
          <div>
            <button
              type="button"
              data-at="add-rule"
              onClick={() => {
                add([]);
              }}
            >
              Add a rule
            </button>
          </div>
          <PoolList {...props} desk={desk} />
          <div>
            <button
              type="button"
              data-at="add-pool"
              onClick={() => {
                const pool = { ...newPool(), name: freeName(draft) };
                onChange({ ...draft, pools: [...draft.pools, pool] });
                show(pool.key, 'pool-name');
              }}
            >
              Add a pool
            </button>
          </div>
        </>
      )}
    </div>
  );
}

function useDesk() {
  const [open, setOpen] = useState<readonly string[]>([]);
  const [said, say] = useState('');
  const { box, focusNext } = useFocusNext();
  const desk: Desk = { open, setOpen, say, focusNext };
  const show = (key: string, field: string): void => {
    setOpen((last) => [...last, key]);
    focusNext(`[data-item="${key}"] [data-at="${field}"]`);
  };
  return { desk, box, said, show };
}

function RuleList({ draft, facts, remarks, desk, onChange }: ListsProps & { desk: Desk }) {
  const set = (rules: Draft['rules']): void => {
    onChange({ ...draft, rules });
  };
  return (
    <>
      <p class="muted small">The first rule that fits a line decides where it goes.</p>
      <ol class="items">
        {draft.rules.map((rule, index) => (
          <RuleItem
            key={rule.key}
            {...{ rule, index, draft, facts, remarks }}
            isOpen={desk.open.includes(rule.key)}
            actions={actionsOf(desk, 'rule', draft.rules, index, nameOf(rule.name, rule.to), set)}
            onChange={(next) => {
              set(draft.rules.map((each) => (each.key === next.key ? next : each)));
            }}
          />
        ))}
      </ol>
    </>
  );
}

function PoolList({ draft, remarks, desk, onChange }: ListsProps & { desk: Desk }) {
  const set = (pools: Draft['pools']): void => {
    onChange({ ...draft, pools });
  };
  return (
    <>
      <div>
        <h2>Pools</h2>
        <p class="muted small">
          {draft.pools.length === 0
            ? 'A pool is a cost that several share, such as a platform. Rules lead to it, and it is split among cost centers.'
            : 'They are split in their order, among cost centers and later pools.'}
        </p>
      </div>
      {draft.pools.length > 0 && (
        <ol class="items">
          {draft.pools.map((pool, index) => (
            <PoolItem
              key={pool.key}
              {...{ pool, index, draft, remarks }}
              isOpen={desk.open.includes(pool.key)}
              actions={actionsOf(desk, 'pool', draft.pools, index, pool.name, set)}
              onChange={(next) => {
                onChange(withPool(draft, next));
              }}
            />
          ))}
        </ol>
      )}
    </>
  );
}

/** A name that no pool of the draft has. */
function freeName({ pools }: Draft): string {
  const names = ['Shared', ...pools.map((_, index) => `Shared ${index + 2}`)];
  return names.find((name) => pools.every((pool) => pool.name !== name)) ?? '';
}

/** Does what the address asks for, once: begins a rule for what belongs to nobody, or opens a pool. */
function useAsked(
  { month, query, draft }: ListsProps,
  addRule: (where: readonly Condition[]) => void,
  openPool: (key: string) => void,
): void {
  useEffect(() => {
    const where = ['workspace', 'model', 'cost_type'].flatMap((dimension): Condition[] => {
      const value = query.get(dimension);
      return value === null ? [] : [{ dimension, excludes: false, values: [value] }];
    });
    const pool = draft.pools.find(({ name }) => name === query.get('pool'));
    if (where.length > 0) addRule(where);
    if (pool !== undefined) openPool(pool.key);
    // A reload of the page must not add it again.
    if (query.size > 0) go(placeOf(month, 'rules'), { replace: true });
  }, []);
}
