import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { ApiError } from '../client/client.ts';
import { ActionFailure } from './action-failure.tsx';
import { Note } from './messages.tsx';

/** What the API found wrong with a body: the place in it, such as `to.1`, and what must be there. */
export type Faults = readonly { readonly at: string; readonly message: string }[];

const NO_FAULTS: Faults = [];

/** What a refused request names as wrong in its body; empty for any other error. */
export function faultsOf(error: Error | null): Faults {
  if (!(error instanceof ApiError)) return NO_FAULTS;
  return (error.problem.errors ?? []).map(({ path, message }) => ({ at: path.replace(/^body\.?/, ''), message }));
}

/** The faults of a field: those at its place in the body, and at places within it. */
export function faultsAt(faults: Faults, place: string): Faults {
  return faults.filter(({ at }) => at === place || at.startsWith(`${place}.`));
}

/** What the input of a field needs, so that its label and its faults belong to it. */
export interface FieldAttributes {
  readonly id: string;
  readonly 'aria-invalid': boolean;
  readonly 'aria-describedby': string;
}

/** An input with its label, a hint, and what is wrong with what stands in it. */
export function Field(props: {
  id: string;
  label: string;
  hint?: ComponentChildren;
  /** What is wrong with it, as sentences without the name of the field. */
  faults: readonly string[];
  children: (attributes: FieldAttributes) => ComponentChildren;
}) {
  const { id, label, hint, faults, children } = props;
  return (
    <div>
      <label for={id}>{label}</label>
      {children({ id, 'aria-invalid': faults.length > 0, 'aria-describedby': `${id}-says` })}
      <Says id={id} faults={faults} hint={hint} />
    </div>
  );
}

/** What is wrong with a field, or else how to fill it in. */
export function Says({ id, faults, hint }: { id: string; faults: readonly string[]; hint?: ComponentChildren }) {
  return (
    <div id={`${id}-says`} aria-live="polite">
      {faults.map((fault) => (
        <p key={fault} class="fault">
          {fault}
        </p>
      ))}
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}

/** The sentences about a field: `It must have an address.` */
export function sentencesAt(faults: Faults, place: string): string[] {
  return faultsAt(faults, place).map(({ message }) => `It ${message.replace(/\.$/, '')}.`);
}

/**
 * Why a form was not taken. What a field says already is not said again, and what no field says is said here. `places` are
 * those of the fields.
 */
export function FormFailure({ error, places }: { error: Error; places: readonly string[] }) {
  const faults = faultsOf(error);
  const isSaid = faults.every((fault) => places.some((place) => faultsAt([fault], place).length > 0));
  if (faults.length === 0 || !isSaid) return <ActionFailure error={error} hasForm />;
  return <Note tone="bad" title="Nothing is stored. Correct what is marked above." role="alert" />;
}

/** A form whose first wrong field gets the focus when the API refuses what it sent. */
export function useFirstFault<Box extends HTMLElement = HTMLFormElement>(error: Error | null) {
  const form = useRef<Box>(null);
  useEffect(() => {
    if (error !== null) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [error]);
  return form;
}
