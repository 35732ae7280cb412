import { useState } from 'preact/hooks';
import { useDraft } from '../../client/use-draft.ts';
import { useAction } from '../../client/use-action.ts';
import { faultsOf, FormFailure, sentencesAt, useFirstFault } from '../../parts/field.tsx';
import { FormButtons } from '../../parts/form-buttons.tsx';
import { Form } from '../../parts/form.tsx';
import { TextField } from '../../parts/inputs.tsx';
import { channelDrafts, CHANNEL_PLACES, NO_SECRETS, type ChannelDraft, type ChannelSecrets } from './channel-draft.ts';
import { SubscriptionFields } from './subscription-fields.tsx';
import { TargetFields } from './target-fields.tsx';
import type { ChannelKind } from './words.ts';

/** The form of a channel. What the API refuses is said at its field, and nothing that was typed is lost. */
export function ChannelForm(props: {
  kind: ChannelKind;
  /** Tells the forms of several channels apart. */
  form: string;
  start: ChannelDraft;
  /** Where the channel leads now, as far as it is no secret; null for a new one. */
  target: string | null;
  /** The words on the button. */
  verb: string;
  send: (draft: ChannelDraft, secrets: ChannelSecrets) => Promise<void>;
  onGiveUp: (() => void) | null;
}) {
  const { kind, form: formName, start, target, verb, send, onGiveUp } = props;
  const { draft, change, forget } = useDraft(channelDrafts, formName, start);
  const [secrets, setSecrets] = useState(NO_SECRETS);
  const { run, isBusy, error } = useAction(async () => {
    await send(draft, secrets);
    forget();
    setSecrets(NO_SECRETS);
  });
  const giveUp = (): void => {
    forget();
    onGiveUp?.();
  };
  const form = useFirstFault(error);
  const faults = faultsOf(error);
  return (
    <Form box={form} onSend={run}>
      <TextField
        id="channel-name"
        label="Name"
        hint="What people call it. Deliveries and events show it."
        faults={sentencesAt(faults, 'name')}
        value={draft.name}
        onText={(name) => {
          change({ name });
        }}
      />
      <TargetFields {...{ kind, draft, secrets, target, faults }} onChange={change} onSecrets={setSecrets} />
      <SubscriptionFields {...{ draft, faults }} onChange={change} />
      {error !== null && <FormFailure error={error} places={CHANNEL_PLACES} />}
      <FormButtons {...{ verb, isBusy }} onGiveUp={onGiveUp === null ? null : giveUp} />
    </Form>
  );
}
