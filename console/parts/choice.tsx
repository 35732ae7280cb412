import type { ComponentChildren } from 'preact';
import { chosenOf, keysOf } from '../format/keys.ts';
import { Select } from './select.tsx';

/** A choice among few things, `''` for no choice, with its label beside it. */
export function Choice(props: {
  id: string;
  label: ComponentChildren;
  value: string;
  options: readonly (readonly [value: string, name: string])[];
  onChoose: (value: string) => void;
}) {
  const { id, label, value, options, onChoose } = props;
  return (
    <span class="choice-of">
      <label for={id}>{label}</label>
      <Select {...{ id, value, options, onChoose }} class="select" />
    </span>
  );
}

/** A choice among the keys of an object with fixed keys, or all of them. */
export function KeyChoice<Key extends string>(props: {
  id: string;
  label: string;
  /** What the choice of none is called. */
  all: string;
  words: Readonly<Record<Key, string | { readonly name: string }>>;
  value: Key | null;
  onChoose: (value: Key | null) => void;
}) {
  const { id, label, all, words, value, onChoose } = props;
  const nameOf = (key: Key): string => {
    const word = words[key];
    return typeof word === 'string' ? word : word.name;
  };
  return (
    <Choice
      {...{ id, label }}
      value={value ?? ''}
      options={[['', all], ...keysOf(words).map((key) => [key, nameOf(key)] as const)]}
      onChoose={(chosen) => {
        onChoose(chosenOf(words, chosen));
      }}
    />
  );
}
