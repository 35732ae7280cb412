import type { InputHTMLAttributes } from 'preact';
import { Field } from './field.tsx';
import { Select } from './select.tsx';

interface InputProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string | undefined;
  /** What is wrong with it, as sentences without the name of the field. */
  readonly faults: readonly string[];
  readonly value: string;
}

/** A field for a line of text. */
export function TextField(
  props: InputProps & {
    /** More attributes of the input. */
    readonly input?: InputHTMLAttributes;
    readonly onText: (text: string) => void;
  },
) {
  const { id, label, hint, faults, value, input, onText } = props;
  return (
    <Field {...{ id, label, hint, faults }}>
      {(attributes) => (
        <input
          {...attributes}
          {...input}
          value={value}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => {
            onText(event.currentTarget.value);
          }}
        />
      )}
    </Field>
  );
}

/** A field for a choice among few things. */
export function SelectField(
  props: InputProps & {
    readonly options: readonly (readonly [value: string, name: string])[];
    readonly onChoose: (value: string) => void;
  },
) {
  const { id, label, hint, faults, value, options, onChoose } = props;
  return (
    <Field {...{ id, label, hint, faults }}>
      {(attributes) => <Select {...attributes} {...{ value, options, onChoose }} />}
    </Field>
  );
}

/** A choice of which every possibility is seen. */
export function Radios<Value extends string>(props: {
  /** Of the group, and unlike any other on the page. */
  name: string;
  value: Value | null;
  options: readonly (readonly [value: Value, name: string])[];
  onChoose: (value: Value) => void;
}) {
  const { name, value, options, onChoose } = props;
  return (
    <div class="radios">
      {options.map(([each, words]) => (
        <label key={each}>
          <input
            type="radio"
            name={name}
            checked={each === value}
            onChange={() => {
              onChoose(each);
            }}
          />
          {words}
        </label>
      ))}
    </div>
  );
}
