import { useState } from 'preact/hooks';
import { ask } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { Note } from '../../parts/messages.tsx';
import type { DialogProps } from './rename-dialog.tsx';

/** Ends a connection for good, or deletes the data of one that has ended. The person types its name first. */
export function DisconnectDialog({ connection, onClose, onDone }: DialogProps) {
  const hasEnded = connection.status === 'disconnected';
  const [typed, setTyped] = useState('');
  const [purge, setPurge] = useState(hasEnded);
  const isSure = typed.trim() === connection.name.trim();
  const { isBusy, error, run } = useAction(async () => {
    const ids = { id: connection.id };
    const query = purge ? { purge: true } : {};
    const { status } = await ask('delete', '/v1/connections/{id}', { ids, query });
    onDone(doneWords(status === 'disconnected', purge));
    onClose();
  });
  return (
    <Dialog
      title={hasEnded ? `Delete the data of ${connection.name}` : `Disconnect ${connection.name}`}
      onClose={onClose}
    >
      {!hasEnded && <Consequences purge={purge} onPurge={setPurge} />}
      {purge && <PurgeWarning />}
      <form
        class="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (isSure) run();
        }}
      >
        <Confirmation name={connection.name} typed={typed} onType={setTyped} />
        {error !== null && <ActionFailure error={error} hasForm />}
        <div class="row">
          <button class="danger" type="submit" disabled={!isSure || isBusy}>
            {hasEnded ? 'Delete its data' : purge ? 'Disconnect and delete its data' : 'Disconnect'}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function doneWords(isDone: boolean, purge: boolean): string {
  if (!isDone) return 'Meterline was asked to disconnect it, and does so once a worker runs.';
  return purge ? 'It is disconnected, and its data is being deleted.' : 'It is disconnected. Its days stay.';
}

function Consequences({ purge, onPurge }: { purge: boolean; onPurge: (purge: boolean) => void }) {
  return (
    <>
      <p>
        This ends the connection for good. Meterline destroys its keys and reads nothing more. Its days stay, unless you
        delete them, too.
      </p>
      <p>The key stays valid at Anthropic. Delete it in the Claude Console under Settings, Admin keys.</p>
      <label class="check">
        <input
          type="checkbox"
          checked={purge}
          onChange={(event) => {
            onPurge(event.currentTarget.checked);
          }}
        />
        Also delete all its data
      </label>
    </>
  );
}

function PurgeWarning() {
  return (
    <Note tone="bad" title="Its costs and usage will be gone." role="status">
      <p>
        Nobody can undo this. Sums of the past lack this organization from then on. Statements of closed months and the
        record of what was done stay.
      </p>
    </Note>
  );
}

function Confirmation(props: { name: string; typed: string; onType: (text: string) => void }) {
  return (
    <div>
      <label for="sure">
        To confirm, type its name: <strong>{props.name}</strong>
      </label>
      <input
        id="sure"
        value={props.typed}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          props.onType(event.currentTarget.value);
        }}
      />
    </div>
  );
}
