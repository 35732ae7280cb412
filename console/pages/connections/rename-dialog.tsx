import { useState } from 'preact/hooks';
import { ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { problemWithName } from '../../parts/admin-key.ts';
import { Dialog } from '../../parts/dialog.tsx';

/** What a dialog about a connection needs. */
export interface DialogProps {
  readonly connection: Schema<'Connection'>;
  readonly onClose: () => void;
  /** Is told in words what was asked for. */
  readonly onDone: (words: string) => void;
}

/** Gives a connection another name. */
export function RenameDialog({ connection, onClose, onDone }: DialogProps) {
  const [name, setName] = useState(connection.name);
  const [fault, setFault] = useState<string | null>(null);
  const { isBusy, error, run } = useAction(async () => {
    await ask('patch', '/v1/connections/{id}', { ids: { id: connection.id }, body: { name: name.trim() } });
    onDone('It has its new name.');
    onClose();
  });
  return (
    <Dialog title="Rename this connection" onClose={onClose}>
      <form
        class="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          const found = problemWithName(name);
          setFault(found);
          if (found === null) run();
        }}
      >
        <div>
          <label for="new-name">Name</label>
          <input
            id="new-name"
            value={name}
            autocomplete="off"
            aria-invalid={fault !== null}
            aria-describedby="new-name-says"
            onInput={(event) => {
              setName(event.currentTarget.value);
            }}
          />
          <div id="new-name-says">{fault !== null && <p class="fault">{fault}</p>}</div>
        </div>
        {error !== null && <ActionFailure error={error} hasForm />}
        <div class="row">
          <button class="primary" type="submit" disabled={isBusy}>
            Rename
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
