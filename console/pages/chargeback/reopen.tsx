import { useState } from 'preact/hooks';
import { ask } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { longMonth } from '../../format/days.ts';
import { DialogForm } from '../../parts/dialog-form.tsx';
import { ReasonField } from './reason-field.tsx';

/** Opens the last closed month again, for a reason. */
export function Reopen({ month, onReopened }: { month: string; onReopened: () => void }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <div>
      <button
        type="button"
        onClick={() => {
          setAsking(true);
        }}
      >
        Reopen the month …
      </button>
      {isAsking && (
        <ReopenDialog
          month={month}
          onClose={() => {
            setAsking(false);
          }}
          onDone={onReopened}
        />
      )}
    </div>
  );
}

function ReopenDialog({ month, onClose, onDone }: { month: string; onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState('');
  const send = useAction(async () => {
    await ask('post', '/v1/chargeback/{month}/reopen', { ids: { month }, body: { reason: reason.trim() } });
    onClose();
    onDone();
  });
  const title = `Reopen ${longMonth(month)}`;
  return (
    <DialogForm title={`${title}?`} verb={title} isReady={reason.trim() !== ''} isDanger of={send} onClose={onClose}>
      <p>
        Its numbers may change again. Whoever was billed by them should know. The statement stays in the list of
        revisions, and the month can be closed anew.
      </p>
      <ReasonField label="Why it is reopened" {...{ reason }} onChange={setReason} />
    </DialogForm>
  );
}
