import { useId } from 'preact/hooks';
import { Conditions } from './conditions.tsx';
import { centersOf, nameOf, type Draft, type DraftRule, type Target } from './draft.ts';
import type { EditorFacts } from './facts.ts';
import { Item } from './item.tsx';
import type { ItemActions } from './item-actions.ts';
import type { Remark } from './use-preview.ts';
import { conditionsText, targetText } from './words.ts';
import { Select } from '../../parts/select.tsx';

interface RuleProps {
  readonly rule: DraftRule;
  readonly index: number;
  readonly draft: Draft;
  readonly facts: EditorFacts;
  readonly remarks: readonly Remark[];
  readonly isOpen: boolean;
  readonly actions: ItemActions | null;
  readonly onChange: (rule: DraftRule) => void;
}

/** A rule in its list. */
export function RuleItem({ rule, index, draft, facts, remarks, isOpen, actions, onChange }: RuleProps) {
  return (
    <Item
      kind="rule"
      id={rule.key}
      name={nameOf(rule.name, rule.to)}
      says={
        <>
          {conditionsText(rule.where, facts.nameOf)} <span aria-hidden="true">→</span>
          <span class="hidden"> goes to</span> <b>{targetText(rule.to)}</b>
        </>
      }
      count={draft.rules.length}
      {...{ index, remarks, isOpen, actions }}
    >
      <RuleFields {...{ rule, draft, facts, onChange }} />
    </Item>
  );
}

function RuleFields(props: Pick<RuleProps, 'rule' | 'draft' | 'facts' | 'onChange'>) {
  const { rule, draft, facts, onChange } = props;
  return (
    <>
      <Conditions
        where={rule.where}
        facts={facts}
        onChange={(where) => {
          onChange({ ...rule, where });
        }}
      />
      <TargetFields
        to={rule.to}
        {...{ draft, facts }}
        onChange={(to) => {
          onChange({ ...rule, to });
        }}
      />
      <label>
        Name of the rule, if you want one
        <input
          value={rule.name}
          placeholder={nameOf('', rule.to)}
          autocomplete="off"
          onInput={(event) => {
            onChange({ ...rule, name: event.currentTarget.value });
          }}
        />
      </label>
    </>
  );
}

const KINDS = {
  center: 'a cost center',
  tag: 'the cost center that a tag names',
  pool: 'a pool, which several share',
} as const;

function TargetFields(props: { to: Target; draft: Draft; facts: EditorFacts; onChange: (to: Target) => void }) {
  const { to, draft, facts, onChange } = props;
  return (
    <div class="fields">
      <label>
        They go to
        <Select
          value={to.kind}
          options={Object.entries(KINDS)}
          onChoose={(value) => {
            const kind = value === 'tag' || value === 'pool' ? value : 'center';
            const [first = ''] =
              kind === 'tag' ? facts.tags : kind === 'pool' ? draft.pools.map(({ name }) => name) : [];
            onChange({ kind, name: first });
          }}
        />
      </label>
      <TargetName {...{ to, draft, facts, onChange }} />
    </div>
  );
}

function TargetName(props: { to: Target; draft: Draft; facts: EditorFacts; onChange: (to: Target) => void }) {
  const { to, draft, facts, onChange } = props;
  const list = useId();
  if (to.kind === 'center') {
    return (
      <label>
        Cost center
        <input
          value={to.name}
          list={list}
          autocomplete="off"
          data-at="target"
          onInput={(event) => {
            onChange({ ...to, name: event.currentTarget.value });
          }}
        />
        <datalist id={list}>
          {centersOf(draft)
            .filter((name) => name !== to.name)
            .map((name) => (
              <option key={name} value={name} />
            ))}
        </datalist>
      </label>
    );
  }
  const names = to.kind === 'tag' ? facts.tags : draft.pools.map(({ name }) => name);
  const all = names.includes(to.name) || to.name === '' ? names : [to.name, ...names];
  return (
    <label>
      {to.kind === 'tag' ? 'Tag' : 'Pool'}
      <select
        value={to.name}
        data-at="target"
        onChange={(event) => {
          onChange({ ...to, name: event.currentTarget.value });
        }}
      >
        {to.name === '' && (
          <option value="">
            {names.length > 0 ? 'Choose …' : to.kind === 'tag' ? 'There is no tag' : 'Add a pool first'}
          </option>
        )}
        {all.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
