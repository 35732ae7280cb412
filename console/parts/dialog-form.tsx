import type { ComponentChildren } from 'preact';
import { ActionFailure } from './action-failure.tsx';
import { Dialog } from './dialog.tsx';
import { FormButtons } from './form-buttons.tsx';
import { Form } from './form.tsx';

/** A question over the page that is answered with a form, and what came of sending it. */
export function DialogForm(props: {
  title: string;
  /** The words on the button that sends it. */
  verb: string;
  isReady?: boolean;
  isDanger?: boolean;
  /** The request that sends it. */
  of: { readonly isBusy: boolean; readonly error: Error | null; readonly run: () => void };
  onClose: () => void;
  children: ComponentChildren;
}) {
  const { title, verb, isReady = true, isDanger = false, of, onClose, children } = props;
  const { isBusy, error, run } = of;
  return (
    <Dialog title={title} onClose={onClose}>
      <Form
        onSend={() => {
          if (isReady) run();
        }}
      >
        {children}
        {error !== null && <ActionFailure error={error} hasForm />}
        <FormButtons {...{ verb, isBusy, isReady, isDanger }} onGiveUp={onClose} />
      </Form>
    </Dialog>
  );
}
