import { faultsAt, Says, type Faults } from '../../parts/field.tsx';
import { dimensionsOf, labelOf } from '../explore/dimensions.ts';
import { FilterChips } from '../explore/filter-chips.tsx';
import { useTagKeys } from '../explore/names.ts';
import type { ReportDraft } from './report-draft.ts';
import { Select } from '../../parts/select.tsx';

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
      <FilterChips
        filters={draft.filters}
        onChange={(filters) => {
          onChange({ filters });
        }}
      />
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
      <Select
        {...{ value, onChoose }}
        options={[...new Set([...choices, value])].map((each) => [each, each === '' ? 'nothing more' : labelOf(each)])}
      />
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
