import type { FieldAttributes } from './field.tsx';

/** Whether a filter lets values through or keeps them out. */
export const IS_OR_NOT = [
  ['is', 'is any of'],
  ['not', 'is none of'],
] as const;

/** A choice among few things, each with its value and its name. It shows `value`, whatever is chosen, until that changes. */
export function Select(
  props: Partial<FieldAttributes> & {
    readonly class?: string;
    readonly 'data-first'?: boolean;
    readonly 'data-at'?: string;
    readonly 'aria-label'?: string;
    readonly value: string;
    readonly options: readonly (readonly [value: string, name: string])[];
    readonly onChoose: (value: string) => void;
  },
) {
  const { options, onChoose, ...attributes } = props;
  return (
    <select
      {...attributes}
      onChange={(event) => {
        const { currentTarget: select } = event;
        const chosen = select.value;
        select.value = props.value;
        onChoose(chosen);
      }}
    >
      {options.map(([each, name]) => (
        <option key={each} value={each}>
          {name}
        </option>
      ))}
    </select>
  );
}
