import { useEffect, useRef, useState } from 'preact/hooks';
import type { EditorProps } from './chips.tsx';
import { dimensionsOf, GRAINS, isGrain, labelOf } from './dimensions.ts';
import { useTagKeys } from './names.ts';
import { dimensionsIn, grainIn } from './query.ts';
import { Select } from '../../parts/select.tsx';

/** Chooses what to group by: dimensions in their order, and how days are put together. */
export function GroupEditor({ query, onAsk }: EditorProps) {
  const [grain, setGrain] = useState<string | null>(grainIn(query));
  const { form, chosen, setChosen } = useChosen(dimensionsIn(query));
  const tags = useTagKeys().map((key) => `tag.${key}`);
  const open = [...dimensionsOf(query.report), ...tags].filter((dimension) => !chosen.includes(dimension));
  // Pages by day, week or month are fastest with that first.
  const groupBy = [...(grain === null ? [] : [grain]), ...chosen];
  return (
    <form
      class="stack"
      ref={form}
      onSubmit={(event) => {
        event.preventDefault();
        onAsk({ ...query, groupBy, view: query.groupBy.some(isGrain) === (grain !== null) ? query.view : null });
      }}
    >
      {query.report !== 'changes' && <GrainField grain={grain} onChange={setGrain} />}
      <div>
        <span class="label">Then by</span>
        <ol class="ordered">
          {chosen.map((dimension, index) => (
            <Chosen key={dimension} {...{ dimension, index, chosen }} onChange={setChosen} />
          ))}
        </ol>
        {chosen.length === 0 && <p class="muted">Nothing: the total alone.</p>}
      </div>
      <label>
        Add
        <Select
          value=""
          data-at="add"
          options={[['', 'Choose …'], ...open.map((dimension) => [dimension, labelOf(dimension)] as const)]}
          onChoose={(value) => {
            if (value !== '') setChosen([...chosen, value]);
          }}
        />
      </label>
      <div>
        <button class="primary" type="submit" disabled={groupBy.length === 0}>
          Show
        </button>
      </div>
    </form>
  );
}

/** The chosen dimensions. The focus stays in the form when they change: its button may be gone, or do nothing any more. */
function useChosen(first: string[]) {
  const form = useRef<HTMLFormElement>(null);
  const next = useRef<string | null>(null);
  const [chosen, setChosen] = useState(first);
  useEffect(() => {
    if (next.current !== null) form.current?.querySelector<HTMLElement>(`[data-at="${next.current}"]`)?.focus();
    next.current = null;
  }, [chosen]);
  return {
    form,
    chosen,
    setChosen: (list: string[], focus: string | null = null): void => {
      next.current = focus;
      setChosen(list);
    },
  };
}

function GrainField({ grain, onChange }: { grain: string | null; onChange: (grain: string | null) => void }) {
  return (
    <fieldset class="radios">
      <legend class="label">First by</legend>
      {[null, ...GRAINS].map((each) => (
        <label key={each}>
          <input
            type="radio"
            name="grain"
            checked={each === grain}
            {...(each === grain ? { 'data-first': true } : {})}
            onChange={() => {
              onChange(each);
            }}
          />
          {each ?? 'the whole range'}
        </label>
      ))}
    </fieldset>
  );
}

function Chosen(props: {
  dimension: string;
  index: number;
  chosen: readonly string[];
  /** Is told the new list, and which button gets the focus. */
  onChange: (chosen: string[], focus: string) => void;
}) {
  const { dimension, index, chosen, onChange } = props;
  const rest = chosen.filter((each) => each !== dimension);
  return (
    <li>
      <span class="name">{labelOf(dimension)}</span>
      <button
        type="button"
        class="small"
        disabled={index === 0}
        data-at={`up-${index}`}
        aria-label={`Move ${labelOf(dimension)} up`}
        onClick={() => {
          const moved = [...rest.slice(0, index - 1), dimension, ...rest.slice(index - 1)];
          onChange(moved, index === 1 ? 'remove-0' : `up-${index - 1}`);
        }}
      >
        ↑
      </button>
      <button
        type="button"
        class="small"
        aria-label={`Remove ${labelOf(dimension)}`}
        data-at={`remove-${index}`}
        onClick={() => {
          onChange(rest, rest.length === 0 ? 'add' : `remove-${Math.min(index, rest.length - 1)}`);
        }}
      >
        ×
      </button>
    </li>
  );
}
