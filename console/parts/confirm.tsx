import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Dialog } from './dialog.tsx';

/** A button that asks before it acts. */
export function Confirm(props: {
  /** What happens, as a command: `Revoke grafana`. */
  what: string;
  /** What follows from it, as a sentence. */
  why: string;
  isBusy: boolean;
  onConfirm: () => void;
  children: ComponentChildren;
}) {
  const [isAsking, setAsking] = useState(false);
  const close = (): void => {
    setAsking(false);
  };
  return (
    <>
      <button
        type="button"
        disabled={props.isBusy}
        aria-label={props.what}
        onClick={() => {
          setAsking(true);
        }}
      >
        {props.children}
      </button>
      {isAsking && (
        <Dialog title={`${props.what}?`} onClose={close}>
          <p>{props.why}</p>
          <div class="row">
            <button
              type="button"
              class="danger"
              onClick={() => {
                close();
                props.onConfirm();
              }}
            >
              {props.what}
            </button>
            <button type="button" onClick={close}>
              Cancel
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
