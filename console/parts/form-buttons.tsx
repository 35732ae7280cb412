import type { ComponentChildren } from 'preact';

/** The buttons below a form: to send it, to give it up, and others between them. */
export function FormButtons(props: {
  /** The id of the form, for buttons that stand outside of it. */
  form?: string;
  /** The words on the button that sends it. */
  verb: string;
  isBusy: boolean;
  /** Whether it can be sent, as far as this page knows. */
  isReady?: boolean;
  /** Whether it destroys something. */
  isDanger?: boolean;
  onGiveUp?: (() => void) | null;
  children?: ComponentChildren;
}) {
  const { form, verb, isBusy, isReady = true, isDanger = false, onGiveUp = null, children } = props;
  return (
    <div class="row">
      <button
        type="submit"
        class={isDanger ? 'danger' : 'primary'}
        disabled={isBusy || !isReady}
        {...(form === undefined ? {} : { form })}
      >
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
