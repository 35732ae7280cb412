import { useState } from 'preact/hooks';
import { ask } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { longMonth } from '../../format/days.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Dialog } from '../../parts/dialog.tsx';

const REASON_LENGTH = 300;

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
  const isReady = reason.trim() !== '';
  const { run, isBusy, error } = useAction(async () => {
    await ask('post', '/v1/chargeback/{month}/reopen', { ids: { month }, body: { reason: reason.trim() } });
    onClose();
    onDone();
  });
  return (
    <Dialog title={`Reopen ${longMonth(month)}?`} onClose={onClose}>
      <p>
        Its numbers may change again. Whoever was billed by them should know. The statement stays in the list of
        revisions, and the month can be closed anew.
      </p>
      <form
        class="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) run();
        }}
      >
        <label>
          Why it is reopened
          <textarea
            rows={2}
            maxLength={REASON_LENGTH}
            value={reason}
            onInput={(event) => {
              setReason(event.currentTarget.value);
            }}
          />
        </label>
        {error !== null && <ActionFailure error={error} hasForm />}
        <div class="row">
          <button class="danger" type="submit" disabled={!isReady || isBusy}>
            {`Reopen ${longMonth(month)}`}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
