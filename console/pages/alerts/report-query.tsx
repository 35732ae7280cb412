import { useState } from 'preact/hooks';
import { addDays, today } from '../../format/days.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { faultsAt, Says, type Faults } from '../../parts/field.tsx';
import { dimensionsOf, labelOf } from '../explore/dimensions.ts';
import { FilterEditor } from '../explore/filter-editor.tsx';
import { useNames, useTagKeys } from '../explore/names.ts';
import { parseQuery, type Filter } from '../explore/query.ts';
import { filterWords } from '../explore/words.ts';
import type { ReportDraft } from './report-draft.ts';

/** The editors of filters suggest what the last month has. */
const SUGGESTED_DAYS = 31;

interface QueryProps {
  readonly draft: ReportDraft;
  readonly faults: Faults;
  readonly onChange: (part: Partial<ReportDraft>) => void;
}

/** What a report is about: by what costs are split, and which lines count. */
export function ReportQuery({ draft, faults, onChange }: QueryProps) {
  const said = faultsAt(faults, 'query').map(({ at, message }) => `${at.split('.').slice(1).join('.')} ${message}.`);
  return (
    <fieldset class="group" id="report-query" aria-describedby="report-query-says">
      <legend class="label">What it is about</legend>
      <Groups {...{ draft, onChange }} />
      <Filters {...{ draft, onChange }} />
      <Says id="report-query" faults={said} />
    </fieldset>
  );
}

type PartProps = Omit<QueryProps, 'faults'>;

function Groups({ draft: { groupBy }, onChange }: PartProps) {
  const dimensions = [...dimensionsOf('costs'), ...useTagKeys().map((key) => `tag.${key}`)];
  const [first = 'model', second = ''] = groupBy;
  const choice = (name: string, value: string, choices: readonly string[], onChoose: (value: string) => void) => (
    <label>
      {name}
      <select
        value={value}
        onChange={(event) => {
          onChoose(event.currentTarget.value);
        }}
      >
        {[...new Set([...choices, value])].map((each) => (
          <option key={each} value={each}>
            {each === '' ? 'nothing more' : labelOf(each)}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <div class="fields form">
      {choice('Costs by', first, dimensions, (value) => {
        onChange({ groupBy: value === second || second === '' ? [value] : [value, second] });
      })}
      {choice('then by', second, ['', ...dimensions.filter((each) => each !== first)], (value) => {
        onChange({ groupBy: value === '' ? [first] : [first, value] });
      })}
    </div>
  );
}

function Filters({ draft: { filters }, onChange }: PartProps) {
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
              onChange({ filters: next.filters });
              close();
            }}
            verb="Take it"
          />
        </Dialog>
      )}
    </>
  );
}
