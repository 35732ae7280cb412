import type { ComponentChildren } from 'preact';

/** The buttons below a form: to send it, to give it up, and others between them. */
export function FormButtons(props: {
  /** The id of the form, for buttons that stand outside of it. */
  form?: string;
  /** The word on the button that sends it. */
  verb: string;
  isBusy: boolean;
  onGiveUp: (() => void) | null;
  children?: ComponentChildren;
}) {
  const { form, verb, isBusy, onGiveUp, children } = props;
  return (
    <div class="row">
      <button type="submit" class="primary" disabled={isBusy} {...(form === undefined ? {} : { form })}>
        {verb}
      </button>
      {children}
      {onGiveUp !== null && (
        <button type="button" onClick={onGiveUp}>
          Cancel
        </button>
      )}
    </div>
  );
}
