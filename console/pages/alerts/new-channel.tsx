import { useState } from 'preact/hooks';
import { ask, type Schema } from '../../client/client.ts';
import { Copy } from '../../parts/copy.tsx';
import { Note } from '../../parts/messages.tsx';
import { go } from '../../route.ts';
import { channelDrafts, creationOf, newDraft, type ChannelDraft } from './channel-draft.ts';
import { ChannelForm } from './channel-form.tsx';
import { ChannelTest } from './channel-test.tsx';
import { Choice } from '../../parts/choice.tsx';
import { chosenOf, keysOf } from '../../format/keys.ts';
import { placeOf } from './place.ts';
import { CHANNEL_KINDS, type ChannelKind } from './words.ts';

/** A channel that was just created. */
interface Made {
  readonly channel: Schema<'Channel'>;
  /** Of a webhook: what nobody can show again. */
  readonly secret: string | null;
}

/** Creates a channel of the kind that the address names, by default for mail. */
export function NewChannel({ query, isAdmin }: { query: URLSearchParams; isAdmin: boolean }) {
  const [made, setMade] = useState<Made | null>(null);
  const kind = chosenOf(CHANNEL_KINDS, query.get('kind')) ?? 'email';
  if (!isAdmin) {
    return (
      <Note title="An admin of this Meterline must do this.">
        <a href={placeOf('channels')}>See the channels</a>
      </Note>
    );
  }
  return (
    <section class="card stack" aria-labelledby="new-channel">
      {made?.channel.kind === kind ? (
        <Created
          {...made}
          onAnother={() => {
            setMade(null);
          }}
        />
      ) : (
        <Form key={kind} kind={kind} onMade={setMade} />
      )}
    </section>
  );
}

function Form({ kind, onMade }: { kind: ChannelKind; onMade: (made: Made) => void }) {
  return (
    <>
      <h2 id="new-channel">Create a channel</h2>
      <Choice
        id="channel-kind"
        label="Kind"
        value={kind}
        options={keysOf(CHANNEL_KINDS).map((each) => [each, CHANNEL_KINDS[each].name] as const)}
        onChoose={(value) => {
          const chosen = chosenOf(CHANNEL_KINDS, value) ?? kind;
          carryOver(kind, chosen);
          go(placeOf('channels', 'new', { kind: chosen }), { replace: true });
        }}
      />
      <p class="muted">{CHANNEL_KINDS[kind].needs}</p>
      <ChannelForm
        kind={kind}
        form={formOf(kind)}
        start={newDraft(kind)}
        target={null}
        verb="Create"
        send={async (draft: ChannelDraft, secrets) => {
          const channel = await ask('post', '/v1/channels', { body: creationOf(kind, draft, secrets) });
          onMade({ channel, secret: kind === 'webhook' ? secrets.secret : null });
        }}
        onGiveUp={() => {
          go(placeOf('channels'));
        }}
      />
    </>
  );
}

function formOf(kind: ChannelKind): string {
  return `new ${kind}`;
}

/** A name that somebody typed stays when they choose another kind. */
function carryOver(from: ChannelKind, to: ChannelKind): void {
  const name = channelDrafts.get(formOf(from))?.name ?? '';
  if (name !== '') channelDrafts.set(formOf(to), { ...(channelDrafts.get(formOf(to)) ?? newDraft(to)), name });
}

function Created({ channel: { id, name }, secret, onAnother }: Made & { onAnother: () => void }) {
  return (
    <>
      <h2 id="new-channel">{`${name} is created`}</h2>
      {secret !== null && (
        <>
          <Note tone="warn" title="Copy the secret into the receiver now." role="status">
            <p>Once you leave this page, nobody can show it again.</p>
          </Note>
          <pre tabindex={0} aria-label={`The secret of ${name}`}>
            {secret}
          </pre>
          <Copy text={secret} />
        </>
      )}
      <p>Test it next: nothing is sent before there is something to tell.</p>
      <div class="stack">
        <ChannelTest id={id} name={name} isEnabled />
      </div>
      <div class="row">
        <a href={placeOf('channels', id)}>{`Go to ${name}`}</a>
        <button type="button" onClick={onAnother}>
          Create another channel
        </button>
      </div>
    </>
  );
}
