import { useState } from 'preact/hooks';
import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { Copy } from '../../parts/copy.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { Failure, Note } from '../../parts/messages.tsx';

/** Creates a token and shows it, once. */
export function CreateToken({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<Reply<'/v1/tokens', 'post'> | null>(null);
  const create = useAction(async (name: string, role: string) => {
    setMade(await ask('post', '/v1/tokens', { body: { name, role } }));
  });
  return (
    <Dialog title="Create a token" onClose={onClose}>
      {create.error !== null && <Failure error={create.error} title="No token is created." />}
      {made === null ? (
        <Form isBusy={create.isBusy} onCreate={create.run} onClose={onClose} />
      ) : (
        <Made token={made} onClose={onClose} />
      )}
    </Dialog>
  );
}

function Form(props: { isBusy: boolean; onCreate: (name: string, role: string) => void; onClose: () => void }) {
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        const fields = new FormData(event.currentTarget);
        props.onCreate(textOf(fields, 'name'), textOf(fields, 'role'));
      }}
    >
      <div>
        <label for="token-name">Name</label>
        <input id="token-name" name="name" autocomplete="off" required maxLength={100} />
        <p class="hint">Events show it for whatever the token does: name the program or the person.</p>
      </div>
      <div>
        <label for="token-role">Role</label>
        <select id="token-role" name="role">
          <option value="viewer">viewer: reads everything, changes nothing</option>
          <option value="admin">admin: does everything</option>
        </select>
      </div>
      <div class="row">
        <button type="submit" class="primary" disabled={props.isBusy}>
          Create
        </button>
        <button type="button" onClick={props.onClose}>
          Cancel
        </button>
      </div>
    </form>
  );
}

function textOf(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === 'string' ? value.trim() : '';
}

function Made({ token, onClose }: { token: Reply<'/v1/tokens', 'post'>; onClose: () => void }) {
  return (
    <div class="stack">
      <Note tone="warn" title="Copy it now. Nobody can show it again." role="status" />
      <pre tabindex={0} aria-label={`The token ${token.name}`}>
        {token.token}
      </pre>
      <Copy text={token.token}>
        <button type="button" onClick={onClose}>
          Done
        </button>
      </Copy>
    </div>
  );
}
