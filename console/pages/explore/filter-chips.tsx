import { useState } from 'preact/hooks';
import { addDays, today } from '../../format/days.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { FilterEditor } from './filter-editor.tsx';
import { useNames } from './names.ts';
import { parseQuery, type Filter } from './query.ts';
import { filterWords } from './words.ts';

/** The editors of filters suggest what the last month has. */
const SUGGESTED_DAYS = 31;

/** Filters as chips, which a dialog changes. */
export function FilterChips({
  filters,
  onChange,
}: {
  filters: readonly Filter[];
  onChange: (filters: readonly Filter[]) => void;
}) {
  const [edited, setEdited] = useState<Filter | 'new' | null>(null);
  const day = today();
  const query = { ...parseQuery(new URLSearchParams(), day), from: addDays(day, 1 - SUGGESTED_DAYS), filters };
  const nameOf = useNames(query);
  const close = (): void => {
    setEdited(null);
  };
  return (
    <>
      <div class="chips" role="group" aria-label="Only some lines">
        {filters.map((filter) => {
          const { about, values } = filterWords(filter, nameOf);
          return (
            <button
              key={`${filter.parameter} ${String(filter.excludes)}`}
              type="button"
              class="chip"
              onClick={() => {
                setEdited(filter);
              }}
            >
              <span class="muted">{about}</span> <b>{values}</b>
            </button>
          );
        })}
        <button
          type="button"
          class="chip add"
          onClick={() => {
            setEdited('new');
          }}
        >
          + filter
        </button>
      </div>
      {edited !== null && (
        <Dialog title="Only some lines" onClose={close}>
          <FilterEditor
            query={query}
            filter={edited === 'new' ? null : edited}
            onAsk={(next) => {
              onChange(next.filters);
              close();
            }}
            verb="Take it"
          />
        </Dialog>
      )}
    </>
  );
}
