import { Form } from '../../parts/form.tsx';
import { useState } from 'preact/hooks';
import { ApiError, ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { problemWithName } from '../../parts/admin-key.ts';
import { KeyField, type KeyEntry } from '../../parts/key-field.tsx';
import { Note } from '../../parts/messages.tsx';
import { linkTo } from '../../route.ts';

const DEFAULT_DAYS = 31;
const MOST_DAYS = 365;

/** The name, the key and the days of history. Whatever is answered, all but the key stays filled in. */
export function ConnectForm({
  entry,
  onMade,
}: {
  entry: KeyEntry;
  onMade: (connection: Schema<'Connection'>) => void;
}) {
  const { isBusy, error, run } = useAction(async (body: Schema<'NewConnection'>) => {
    onMade(await ask('post', '/v1/connections', { body }));
  });
  const [nameFault, setNameFault] = useState<string | null>(null);
  const [days, setDays] = useState(DEFAULT_DAYS);

  const submit = (form: HTMLFormElement): void => {
    const name = textOf(form, 'name');
    const fault = problemWithName(name);
    setNameFault(fault);
    if (fault !== null) {
      form.querySelector<HTMLInputElement>('#name')?.focus();
      return;
    }
    const key = entry.take(form);
    if (key === null) return;
    run({ name: name.trim(), admin_api_key: key, backfill_days: days });
  };

  return (
    <>
      <Form
        onSend={(form) => {
          if (!isBusy) submit(form);
        }}
      >
        <NameField fault={nameFault} />
        <KeyField entry={entry} label="Admin key" />
        <DaysField onChange={setDays} />
        <div class="row">
          <button class="primary" type="submit" disabled={isBusy}>
            {`Connect and read ${days === 1 ? 'today' : `${days} days`}`}
          </button>
          <span class="muted" role="status">
            {isBusy ? 'Anthropic is asked about the key …' : ''}
          </span>
        </div>
      </Form>
      {error !== null && !isBusy && <Refusal error={error} />}
    </>
  );
}

function NameField({ fault }: { fault: string | null }) {
  return (
    <div>
      <label for="name">Name, for you to tell organizations apart</label>
      <input
        id="name"
        name="name"
        required
        maxLength={200}
        autocomplete="off"
        placeholder="Acme production"
        aria-invalid={fault !== null}
        aria-describedby="name-says"
      />
      <div id="name-says">{fault !== null && <p class="fault">{fault}</p>}</div>
    </div>
  );
}

function DaysField({ onChange }: { onChange: (days: number) => void }) {
  return (
    <div>
      <label for="days">Days of history to read first, today included</label>
      <input
        id="days"
        name="days"
        type="number"
        inputMode="numeric"
        min={1}
        max={MOST_DAYS}
        defaultValue={String(DEFAULT_DAYS)}
        aria-describedby="days-says"
        onChange={(event) => {
          const days = Math.min(MOST_DAYS, Math.max(1, Math.round(Number(event.currentTarget.value) || DEFAULT_DAYS)));
          event.currentTarget.value = String(days);
          onChange(days);
        }}
      />
      <p class="hint" id="days-says">
        {`From 1 to ${MOST_DAYS}. You can ask for more history later.`}
      </p>
    </div>
  );
}

/** Why there is no connection, and what to do there and then. */
function Refusal({ error }: { error: Error }) {
  const problem = error instanceof ApiError ? error.problem : null;
  if (problem?.code === 'already_connected' && problem.connection_id !== undefined) {
    const path = ['connections', problem.connection_id];
    return (
      <Note tone="warn" title="This organization is connected already." role="alert">
        <p>Meterline destroyed the key that you sent, and goes on with the one that it has.</p>
        <p class="row">
          <a class="button" href={linkTo(path)}>
            Open that connection
          </a>
          <a class="button" href={linkTo(path, 'do=rotate')}>
            Rotate its key
          </a>
        </p>
      </Note>
    );
  }
  const recorded = problem?.refused_connection_id ?? problem?.connection_id;
  return (
    <>
      <ActionFailure error={error} hasForm />
      {problem?.status === 422 && (
        <p class="hint">
          Nothing was connected. The form above is as you left it, without the key: paste the right one and send it
          again.
          {recorded !== undefined && (
            <>
              {' '}
              <a href={linkTo(['connections', recorded])}>What happened to it</a> stays recorded.
            </>
          )}
        </p>
      )}
      {problem === null && (
        <p class="hint">
          <a href="#/connections">Look at the connections</a>: if it is there, it was received.
        </p>
      )}
    </>
  );
}

function textOf(form: HTMLFormElement, name: string): string {
  const field = form.elements.namedItem(name);
  return field instanceof HTMLInputElement ? field.value : '';
}
