import { useState } from 'preact/hooks';
import { usd } from '../../format/money.ts';
import type { EditorProps } from './chips.tsx';
import { dimensionOf, dimensionsOf, labelOf, parameterOf, valueText } from './dimensions.ts';
import { useSuggestions, useTagKeys, type Suggestion } from './names.ts';
import { tagsIn, withFilter, type Filter } from './query.ts';
import { IS_OR_NOT, Select } from '../../parts/select.tsx';

interface FilterEditorProps extends EditorProps {
  /** The filter that is changed; null for a new one. */
  readonly filter: Filter | null;
  /** The word on the button. */
  readonly verb?: string;
}

/** Chooses which lines count, by the values of a dimension. */
export function FilterEditor({ query, onAsk, filter, verb = 'Show' }: FilterEditorProps) {
  const [dimension, setDimension] = useState(filter === null ? null : dimensionOf(filter.parameter));
  const [excludes, setExcludes] = useState(filter?.excludes ?? false);
  const [values, setValues] = useState<readonly string[]>(filter?.values ?? []);
  const tags = [...new Set([...useTagKeys(), ...tagsIn(query)])].sort();
  const dimensions = [...dimensionsOf(query.report), ...tags.map((key) => `tag.${key}`)];
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (dimension === null) return;
        const without = filter === null ? query : withFilter(query, { ...filter, values: [] });
        onAsk(withFilter(without, { parameter: parameterOf(dimension), excludes, values }));
      }}
    >
      <div class="fields">
        <label>
          Only lines whose
          <Select
            data-first
            value={dimension ?? ''}
            options={[['', 'Choose …'], ...dimensions.map((each) => [each, labelOf(each)] as const)]}
            onChoose={(value) => {
              setDimension(value === '' ? null : value);
              setValues([]);
            }}
          />
        </label>
        <label>
          Is or is not
          <Select
            value={excludes ? 'not' : 'is'}
            options={IS_OR_NOT}
            onChoose={(value) => {
              setExcludes(value === 'not');
            }}
          />
        </label>
      </div>
      {dimension !== null && <Values key={dimension} {...{ query, dimension, values }} onChange={setValues} />}
      <div>
        <button class="primary" type="submit" disabled={dimension === null || (values.length === 0 && filter === null)}>
          {values.length === 0 && filter !== null ? 'Remove the filter' : verb}
        </button>
      </div>
    </form>
  );
}

const SHOWN = 60;

function Values(props: {
  query: EditorProps['query'];
  dimension: string;
  values: readonly string[];
  onChange: (values: readonly string[]) => void;
}) {
  const { query, dimension, values, onChange } = props;
  const [typed, setTyped] = useState('');
  const { list, isLoading } = useSuggestions(query, dimension);
  const all = withOwn(dimension, list, values);
  const fitting = all.filter(({ name, id }) => `${name} ${id}`.toLowerCase().includes(typed.toLowerCase()));
  const isNew = typed !== '' && !all.some(({ id }) => id === typed);
  const toggle = (value: string): void => {
    onChange(values.includes(value) ? values.filter((each) => each !== value) : [...values, value]);
  };
  return (
    <div>
      <label>
        Find or type a value
        <input
          type="search"
          value={typed}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || typed === '') return;
            event.preventDefault();
            const [first] = fitting;
            toggle(first?.id ?? typed);
            setTyped('');
          }}
        />
      </label>
      <div class="values" role="group" aria-label={`Values of ${labelOf(dimension)}`}>
        {fitting.slice(0, SHOWN).map((each) => (
          <ValueField key={each.id} {...each} isChosen={values.includes(each.id)} onToggle={toggle} />
        ))}
        {isNew && (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              toggle(typed);
              setTyped('');
            }}
          >{`Take “${typed}”`}</button>
        )}
        {fitting.length > SHOWN && <p class="hint">{`${fitting.length - SHOWN} more; type a part of one.`}</p>}
        {isLoading && (
          <p class="hint" role="status">
            Looking up the values of these days …
          </p>
        )}
      </div>
    </div>
  );
}

/** The values that are suggested, and those that are chosen though the range does not have them; also "not reported". */
function withOwn(dimension: string, list: readonly Suggestion[], values: readonly string[]): Suggestion[] {
  const known = new Set(list.map(({ id }) => id));
  const own = [...values, ...(dimension === 'connection' ? [] : [''])].filter((value) => !known.has(value));
  return [...list, ...[...new Set(own)].map((id) => ({ id, name: valueText(dimension, id), amount: null }))];
}

function ValueField(props: Suggestion & { isChosen: boolean; onToggle: (value: string) => void }) {
  return (
    <label class="value">
      <input
        type="checkbox"
        checked={props.isChosen}
        onChange={() => {
          props.onToggle(props.id);
        }}
      />
      <span class="name">{props.name}</span>
      {props.amount !== null && <span class="faint num">{usd(props.amount)}</span>}
    </label>
  );
}
