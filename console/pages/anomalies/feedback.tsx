import { useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import { ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { instant } from '../../format/days.ts';
import { faultsOf, FormFailure, sentencesAt } from '../../parts/field.tsx';
import { FormButtons } from '../../parts/form-buttons.tsx';
import { Form } from '../../parts/form.tsx';
import { Radios, TextField } from '../../parts/inputs.tsx';
import { Note } from '../../parts/messages.tsx';
import type { Anomaly } from '../../parts/unusual.tsx';
import { FEEDBACK } from './words.ts';

type Said = Schema<'AnomalyFeedback'>['feedback'];

/** What people say of an anomaly, and what follows from it. Admins say it. */
export function Feedback(props: { anomaly: Anomaly; isAdmin: boolean; onChange: () => void }) {
  const { anomaly, isAdmin, onChange } = props;
  const given = anomaly.feedback;
  return (
    <Card class="stack" title="What it was">
      <div role="status">
        {given === null ? (
          !isAdmin && <p class="muted">Nobody has said what it was. An admin of this Meterline can.</p>
        ) : (
          <Note tone="good" title={FEEDBACK.find(([value]) => value === given.feedback)?.[1] ?? ''}>
            {given.note !== null && <q>{given.note}</q>}
            {given.effect !== null && <p>{given.effect}</p>}
            <p class="muted small">{`${given.actor}, ${instant(given.at)}`}</p>
          </Note>
        )}
      </div>
      {isAdmin && <SayIt id={anomaly.id} onChange={onChange} />}
    </Card>
  );
}

function SayIt({ id, onChange }: { id: string; onChange: () => void }) {
  const [feedback, setFeedback] = useState<Said>('expected');
  const [note, setNote] = useState('');
  const { run, isBusy, error } = useAction(async () => {
    const body = { feedback, ...(note.trim() === '' ? {} : { note }) };
    await ask('post', '/v1/anomalies/{id}/feedback', { ids: { id }, body });
    setNote('');
    onChange();
  });
  return (
    <Form onSend={run}>
      <fieldset class="group">
        <legend class="label">Say it, and it decides about this anomaly and those like it</legend>
        <Radios name="feedback" value={feedback} options={FEEDBACK} onChoose={setFeedback} />
      </fieldset>
      <TextField
        id="feedback-note"
        label="Why, if you like"
        faults={sentencesAt(faultsOf(error), 'note')}
        value={note}
        onText={setNote}
      />
      {error !== null && <FormFailure error={error} places={['note']} />}
      <FormButtons verb="Send" isBusy={isBusy} />
    </Form>
  );
}
