import { useState } from 'preact/hooks';
import { ApiError, ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useReply } from '../../client/use-reply.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FormButtons } from '../../parts/form-buttons.tsx';
import { Form } from '../../parts/form.tsx';
import { KeyField, useKeyEntry } from '../../parts/key-field.tsx';
import { Note } from '../../parts/messages.tsx';
import { remedyOf, soon } from '../../parts/standing.ts';
import { linkTo } from '../../route.ts';
import type { DialogProps } from './rename-dialog.tsx';

const OFTEN_MS = 2_000;

/** What came of a key that was sent. */
interface Sent {
  readonly reply: Schema<'Connection'>;
  /** Whether it is the key that the connection had before. */
  readonly isSame: boolean;
}

/** Sends another key, and says what Anthropic answers about it. */
export function RotateDialog({ connection, onClose, onDone }: DialogProps) {
  const [sent, setSent] = useState<Sent | null>(null);
  const entry = useKeyEntry();
  const { isBusy, error, run } = useAction(async (key: string) => {
    const ids = { id: connection.id };
    // The page may not have heard yet of a rotation just before.
    const { key: before } = await ask('get', '/v1/connections/{id}', { ids });
    const reply = await ask('post', '/v1/connections/{id}/rotate-key', { ids, body: { admin_api_key: key } });
    const now = reply.candidate ?? reply.key;
    // Sent again, a key gets another id; its last characters are all that anybody may see of it.
    const isSame = before !== null && (now?.id === before.id || now?.hint === before.hint);
    setSent({ reply, isSame });
    onDone(isSame ? 'The key that it has was sent again.' : 'Another key was sent.');
  });
  return (
    <Dialog title={`Rotate the key of ${connection.name}`} onClose={onClose}>
      {sent === null ? (
        <Form
          onSend={(form) => {
            const key = isBusy ? null : entry.take(form);
            if (key !== null) run(key);
          }}
        >
          <p class="muted">
            Create another Admin key in the Claude Console under Settings, Admin keys, in the same organization. The
            present key stays active until Anthropic accepts the new one, so no day is lost.
          </p>
          <KeyField entry={entry} label="New Admin key" autofocus />
          <span class="muted" role="status">
            {isBusy ? 'Anthropic is asked about the key …' : ''}
          </span>
          {error !== null && !isBusy && <Refusal error={error} />}
          <FormButtons verb="Send the new key" isBusy={isBusy} onGiveUp={onClose} />
        </Form>
      ) : (
        <>
          <Outcome id={connection.id} {...sent} />
          <div>
            <button type="button" class="primary" onClick={onClose}>
              Close
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}

function Refusal({ error }: { error: Error }) {
  const other = error instanceof ApiError ? error.problem.connection_id : undefined;
  const isRefused = error instanceof ApiError && error.problem.status === 422;
  return (
    <>
      <ActionFailure error={error} hasForm />
      {isRefused && <p class="hint">Nothing changed: the connection goes on with the key that it has.</p>}
      {error instanceof ApiError && error.problem.code === 'already_connected' && other !== undefined && (
        <a href={linkTo(['connections', other])}>Open the connection that has this organization</a>
      )}
    </>
  );
}

function Outcome({ id, reply, isSame }: Sent & { id: string }) {
  if (isSame) return <Unchanged />;
  return reply.candidate === null ? (
    <Active hint={reply.key?.hint ?? ''} />
  ) : (
    <WaitingForVerdict id={id} candidate={reply.candidate} />
  );
}

function Unchanged() {
  return (
    <Note tone="warn" title="This is the key that it has already. Nothing is rotated." role="status">
      <p>Do not delete it in the Claude Console: Meterline has no other. Create another one there, and send that.</p>
    </Note>
  );
}

function Active({ hint }: { hint: string }) {
  return (
    <Note tone="good" title={`The key that ends in ${hint} is active.`} role="status">
      <p>
        Meterline destroys the old one after its next sync has succeeded. Do not delete the old key in the Claude
        Console before “What happened” says that it is destroyed.
      </p>
    </Note>
  );
}

/** Follows a key that Anthropic has not answered about yet. */
function WaitingForVerdict({ id, candidate }: { id: string; candidate: Schema<'Candidate'> }) {
  const keys = useReply('/v1/connections/{id}/keys', { ids: { id }, query: { limit: 100 }, everyMs: OFTEN_MS });
  const key = keys.data?.data.find((each) => each.id === candidate.id);
  const state = key?.state ?? 'candidate';
  if (state === 'active') return <Active hint={candidate.hint} />;
  const error = key?.error ?? candidate.error;
  const nextTry = key?.next_try_at ?? candidate.next_try_at;
  if (state === 'refused' || state === 'destroyed') {
    return (
      <Note tone="bad" title={`The key that ends in ${candidate.hint} did not become active.`} role="alert">
        {error !== null && <p>{error.message}</p>}
        {error !== null && <p>{remedyOf(error)}</p>}
        <p>The connection goes on with the key that it has.</p>
      </Note>
    );
  }
  return (
    <Note tone="warn" title={`There is no verdict yet on the key that ends in ${candidate.hint}.`} role="status">
      <p>
        Anthropic, Temporal or a worker of Meterline has not answered. The key is stored, encrypted, and Meterline asks
        about it by itself as soon as it can, also while the connection is paused. Do not send it again. You can close
        this; the page shows the key while it waits.
      </p>
      {error !== null && <p>{error.message}</p>}
      {nextTry !== null && <p>{`It asks again ${soon(nextTry)}.`}</p>}
    </Note>
  );
}
