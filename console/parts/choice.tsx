import type { ComponentChildren } from 'preact';
import { chosenOf, keysOf } from '../format/keys.ts';
import { searchOf } from '../client/client.ts';
import { go, linkTo } from '../route.ts';
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

/** Choices of a kind and a state of what a page lists. They go into the address. */
export function KindAndState<Kind extends string, State extends string>(props: {
  path: readonly string[];
  kinds: Readonly<Record<Kind, string | { readonly name: string }>>;
  states: Readonly<Record<State, string>>;
  kind: Kind | null;
  state: State | null;
}) {
  const { path, kinds, states, kind, state } = props;
  const choose = (part: { kind?: string | null; state?: string | null }): void => {
    go(linkTo(path, searchOf({ kind, state, ...part })), { replace: true });
  };
  return (
    <div class="row filter">
      <KeyChoice
        id="kind"
        label="Kind"
        all="Every kind"
        words={kinds}
        value={kind}
        onChoose={(chosen) => {
          choose({ kind: chosen });
        }}
      />
      <KeyChoice
        id="state"
        label="State"
        all="Every state"
        words={states}
        value={state}
        onChoose={(chosen) => {
          choose({ state: chosen });
        }}
      />
    </div>
  );
}
