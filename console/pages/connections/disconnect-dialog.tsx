import { useState } from 'preact/hooks';
import { ask } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { DialogForm } from '../../parts/dialog-form.tsx';
import { TextField } from '../../parts/inputs.tsx';
import { Note } from '../../parts/messages.tsx';
import type { DialogProps } from './rename-dialog.tsx';

/** Ends a connection for good, or deletes the data of one that has ended. The person types its name first. */
export function DisconnectDialog({ connection, onClose, onDone }: DialogProps) {
  const hasEnded = connection.status === 'disconnected';
  const [typed, setTyped] = useState('');
  const [purge, setPurge] = useState(hasEnded);
  const send = useAction(async () => {
    const ids = { id: connection.id };
    const query = purge ? { purge: true } : {};
    const { status } = await ask('delete', '/v1/connections/{id}', { ids, query });
    onDone(doneWords(status === 'disconnected', purge));
    onClose();
  });
  return (
    <DialogForm
      title={hasEnded ? `Delete the data of ${connection.name}` : `Disconnect ${connection.name}`}
      verb={hasEnded ? 'Delete its data' : purge ? 'Disconnect and delete its data' : 'Disconnect'}
      isReady={typed.trim() === connection.name.trim()}
      isDanger
      of={send}
      onClose={onClose}
    >
      {!hasEnded && <Consequences purge={purge} onPurge={setPurge} />}
      {purge && <PurgeWarning />}
      <TextField
        id="sure"
        label={`To confirm, type its name: ${connection.name}`}
        faults={[]}
        value={typed}
        onText={setTyped}
      />
    </DialogForm>
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
