import { useState } from 'preact/hooks';
import { ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { problemWithName } from '../../parts/admin-key.ts';
import { DialogForm } from '../../parts/dialog-form.tsx';
import { TextField } from '../../parts/inputs.tsx';

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
  const send = useAction(async () => {
    const found = problemWithName(name);
    setFault(found);
    if (found !== null) return;
    await ask('patch', '/v1/connections/{id}', { ids: { id: connection.id }, body: { name: name.trim() } });
    onDone('It has its new name.');
    onClose();
  });
  return (
    <DialogForm title="Rename this connection" verb="Rename" of={send} onClose={onClose}>
      <TextField id="new-name" label="Name" faults={fault === null ? [] : [fault]} value={name} onText={setName} />
    </DialogForm>
  );
}
