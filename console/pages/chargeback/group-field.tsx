import { go } from '../../route.ts';
import { dimensionsOf, GRAINS, labelOf } from '../explore/dimensions.ts';
import { useTagKeys } from '../explore/names.ts';
import { placeOf } from './place.ts';
import { Select } from '../../parts/select.tsx';

const COST_CENTER = 'cost_center';

/** A group of the month for people. */
export function groupLabel(group: string): string {
  return group === COST_CENTER ? 'cost center' : labelOf(group);
}

/** Chooses what the month is split by beside the cost center. The address keeps it. */
export function GroupField(props: { month: string; groupBy: readonly string[]; revision: string | null }) {
  const { month, groupBy, revision } = props;
  const tags = useTagKeys().map((key) => `tag.${key}`);
  const linkFor = (groups: readonly string[]): string => {
    const isPlain = groups.length === 1 && groups[0] === COST_CENTER;
    return placeOf(month, 'month', { revision, group_by: isPlain ? null : groups.join(',') });
  };
  const open = [COST_CENTER, ...dimensionsOf('costs'), ...tags, ...GRAINS].filter((group) => !groupBy.includes(group));
  return (
    <div class="row groups">
      <span class="muted">By</span>
      {groupBy.map((group) => (
        <span key={group} class={groupBy.length > 1 ? 'chip-pair' : ''}>
          <span class="chip still">{groupLabel(group)}</span>
          {groupBy.length > 1 && (
            <a class="chip-end" href={linkFor(groupBy.filter((each) => each !== group))}>
              <span aria-hidden="true">×</span>
              <span class="hidden">{`Do not split by ${groupLabel(group)}`}</span>
            </a>
          )}
        </span>
      ))}
      <label class="inline">
        <span class="hidden">Split further by</span>
        <Select
          value=""
          options={[['', 'split further by …'], ...open.map((group) => [group, groupLabel(group)] as const)]}
          onChoose={(value) => {
            if (value !== '') go(linkFor([...groupBy, value]));
          }}
        />
      </label>
    </div>
  );
}
