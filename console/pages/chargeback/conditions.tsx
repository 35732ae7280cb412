import { useState } from 'preact/hooks';
import { usd } from '../../format/money.ts';
import { dimensionsOf, labelOf } from '../explore/dimensions.ts';
import { useSuggestions } from '../explore/names.ts';
import type { Condition } from './draft.ts';
import type { EditorFacts } from './facts.ts';
import { IS_OR_NOT, Select } from '../../parts/select.tsx';

interface ConditionsProps {
  readonly where: readonly Condition[];
  readonly facts: EditorFacts;
  readonly onChange: (where: readonly Condition[]) => void;
}

/** Chooses which lines a rule takes: those that fit every condition. */
export function Conditions({ where, facts, onChange }: ConditionsProps) {
  const open = dimensionsIn(facts, where);
  return (
    <fieldset class="conditions">
      <legend class="label">{where.length === 0 ? 'It takes every line' : 'It takes each line whose'}</legend>
      {where.map((condition, index) => (
        <ConditionFields
          key={index}
          {...{ condition, facts, index }}
          onChange={(next) => {
            onChange(where.map((each, place) => (place === index ? next : each)));
          }}
          onRemove={() => {
            onChange(where.filter((each) => each !== condition));
          }}
        />
      ))}
      <label class="inline">
        <span class="hidden">Add a condition</span>
        <Select
          value=""
          data-at="condition"
          options={[
            ['', where.length === 0 ? 'only some lines …' : 'and whose …'],
            ...open.map((dimension) => [dimension, labelOf(dimension)] as const),
          ]}
          onChoose={(value) => {
            if (value !== '') onChange([...where, { dimension: value, excludes: false, values: [] }]);
          }}
        />
      </label>
    </fieldset>
  );
}

function dimensionsIn({ tags }: EditorFacts, where: readonly Condition[]): string[] {
  const all = [...dimensionsOf('costs'), ...tags.map((key) => `tag.${key}`)];
  // Twice the same one would be the values of both, which the first can have as well; once it may exclude, too.
  return all.filter((dimension) => where.filter((each) => each.dimension === dimension).length < 2);
}

function ConditionFields(props: {
  condition: Condition;
  facts: EditorFacts;
  index: number;
  onChange: (condition: Condition) => void;
  onRemove: () => void;
}) {
  const { condition, facts, onChange, onRemove } = props;
  const { dimension, excludes, values } = condition;
  const what = labelOf(dimension);
  return (
    <div class="condition" role="group" aria-label={`Condition ${props.index + 1}: ${what}`}>
      <span class="label-of">{what}</span>
      <Select
        class="small"
        aria-label={`${what} is or is not`}
        value={excludes ? 'not' : 'is'}
        options={IS_OR_NOT}
        onChoose={(value) => {
          onChange({ ...condition, excludes: value === 'not' });
        }}
      />
      <ul class="values-chosen">
        {values.map((value) => (
          <li key={value} class="chip-pair">
            <span class="chip still">{facts.nameOf(dimension, value)}</span>
            <button
              type="button"
              class="chip-end"
              onClick={() => {
                onChange({ ...condition, values: values.filter((each) => each !== value) });
              }}
            >
              <span aria-hidden="true">×</span>
              <span class="hidden">{`Remove ${facts.nameOf(dimension, value)}`}</span>
            </button>
          </li>
        ))}
        <li>
          <AddValue
            {...{ condition, facts }}
            onAdd={(value) => {
              if (!values.includes(value)) onChange({ ...condition, values: [...values, value] });
            }}
          />
        </li>
      </ul>
      <button type="button" class="small" aria-label={`Remove the condition on ${what}`} onClick={onRemove}>
        ×
      </button>
    </div>
  );
}

const OTHER = '+';

/** Takes a value that the month has, or one that is typed. */
function AddValue(props: { condition: Condition; facts: EditorFacts; onAdd: (value: string) => void }) {
  const { condition, facts, onAdd } = props;
  const { dimension, values } = condition;
  const [isTyping, setTyping] = useState(false);
  const { list } = useSuggestions(facts.days, dimension);
  const open = list.filter(({ id }) => !values.includes(id));
  const hasNone = dimension === 'connection' || list.some(({ id }) => id === '') || values.includes('');
  if (isTyping) {
    return (
      <TypedValue
        what={labelOf(dimension)}
        onEnd={(typed) => {
          setTyping(false);
          if (typed !== '') onAdd(typed);
        }}
      />
    );
  }
  return (
    <Select
      class="small"
      value=""
      aria-label={`Add a value of ${labelOf(dimension)}`}
      options={[
        ['', values.length === 0 ? 'choose …' : 'or …'],
        ...open.map(({ id, name, amount }) => [`=${id}`, amount === null ? name : `${name} (${usd(amount)})`] as const),
        ...(hasNone ? [] : [['=', facts.nameOf(dimension, '')] as const]),
        [OTHER, 'another, which I type …'],
      ]}
      onChoose={(value) => {
        if (value === OTHER) setTyping(true);
        else if (value !== '') onAdd(value.slice(1));
      }}
    />
  );
}

function TypedValue({ what, onEnd }: { what: string; onEnd: (typed: string) => void }) {
  const [typed, setTyped] = useState('');
  return (
    <span class="row">
      <input
        class="small"
        ref={(input) => input?.focus()}
        aria-label={`Another value of ${what}`}
        value={typed}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') onEnd(typed.trim());
          if (event.key === 'Escape') onEnd('');
        }}
      />
      <button
        type="button"
        class="small"
        onClick={() => {
          onEnd(typed.trim());
        }}
      >
        Take it
      </button>
    </span>
  );
}
