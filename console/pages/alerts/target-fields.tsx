import { Copy } from '../../parts/copy.tsx';
import { Field, faultsAt, sentencesAt, type Faults } from '../../parts/field.tsx';
import { TextField } from '../../parts/inputs.tsx';
import { Note } from '../../parts/messages.tsx';
import { addressesOf, makeSecret, type ChannelDraft, type ChannelSecrets } from './channel-draft.ts';
import type { ChannelKind } from './words.ts';

interface TargetProps {
  readonly kind: ChannelKind;
  readonly draft: ChannelDraft;
  readonly secrets: ChannelSecrets;
  /** Where the channel leads now; null for a new one. */
  readonly target: string | null;
  readonly faults: Faults;
  readonly onChange: (part: Partial<ChannelDraft>) => void;
  readonly onSecrets: (secrets: ChannelSecrets) => void;
}

/** Where a channel leads: the fields that its kind needs. */
export function TargetFields(props: TargetProps) {
  switch (props.kind) {
    case 'email':
      return <Addresses {...props} />;
    case 'slack':
    case 'teams':
      return <Url {...props} />;
    case 'webhook':
      return (
        <>
          <Url {...props} />
          <Secret {...props} />
        </>
      );
    case 'pagerduty':
      return <RoutingKey {...props} />;
  }
}

function Addresses({ draft, faults, onChange }: TargetProps) {
  const addresses = addressesOf(draft);
  const said = faultsAt(faults, 'to').map(({ at, message }) => {
    const address = addresses[Number(at.split('.')[1])];
    return address === undefined ? `It ${message}.` : `${address} ${message}.`;
  });
  return (
    <Field id="channel-to" label="Mail addresses, one a line" hint="At most 50." faults={said}>
      {(attributes) => (
        <textarea
          {...attributes}
          rows={3}
          autocomplete="off"
          spellcheck={false}
          placeholder="costs@example.com"
          value={draft.to}
          onInput={(event) => {
            onChange({ to: event.currentTarget.value });
          }}
        />
      )}
    </Field>
  );
}

const HOSTS: Readonly<Partial<Record<ChannelKind, string>>> = {
  slack: 'https://hooks.slack.com/services/…',
  teams: 'https://….logic.azure.com/workflows/…',
};

function Url({ kind, secrets, target, faults, onSecrets }: TargetProps) {
  const hint =
    target === null
      ? 'Whoever knows it may post there, so it is stored encrypted and never shown again.'
      : `Empty: it stays as it is, at ${target}. What waits for the channel goes to the new one.`;
  return (
    <TextField
      id="channel-url"
      label="Address of the webhook"
      hint={hint}
      faults={sentencesAt(faults, 'url')}
      value={secrets.url}
      input={{ type: 'url', placeholder: HOSTS[kind] ?? 'https://' }}
      onText={(url) => {
        onSecrets({ ...secrets, url: url.trim() });
      }}
    />
  );
}

function Secret({ secrets, target, faults, onSecrets }: TargetProps) {
  const hint =
    target === null
      ? 'It signs each request, so that the receiver knows who sent it.'
      : 'Empty: it stays as it is. A new one signs beside the one before, so that the receiver can change over.';
  const isShown = secrets.secret !== '' && faultsAt(faults, 'secret').length === 0;
  return (
    <>
      <TextField
        id="channel-secret"
        label="Secret"
        hint={hint}
        faults={sentencesAt(faults, 'secret')}
        value={secrets.secret}
        input={{ type: 'password', placeholder: 'whsec_…' }}
        onText={(secret) => {
          onSecrets({ ...secrets, secret: secret.trim() });
        }}
      />
      {isShown ? (
        <SecretOnce secret={secrets.secret} />
      ) : (
        <div>
          <button
            type="button"
            class="small"
            onClick={() => {
              onSecrets({ ...secrets, secret: makeSecret() });
            }}
          >
            Make a secret
          </button>
        </div>
      )}
    </>
  );
}

/** The secret, as long as this form has it. */
function SecretOnce({ secret }: { secret: string }) {
  return (
    <div class="stack">
      <Note tone="warn" title="Copy it into the receiver now." role="status">
        <p>Once the channel is stored, nobody can show it again.</p>
      </Note>
      <pre tabindex={0} aria-label="The secret">
        {secret}
      </pre>
      <Copy text={secret} />
    </div>
  );
}

function RoutingKey({ secrets, target, faults, onSecrets }: TargetProps) {
  const hint =
    target === null ? 'It is stored encrypted and never shown again.' : `Empty: it stays as it is, ${target}.`;
  return (
    <TextField
      id="channel-key"
      label="Integration key"
      hint={hint}
      faults={sentencesAt(faults, 'routing_key')}
      value={secrets.routingKey}
      input={{ type: 'password' }}
      onText={(routingKey) => {
        onSecrets({ ...secrets, routingKey: routingKey.trim() });
      }}
    />
  );
}
