import { useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useReply } from '../../client/use-reply.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Await } from '../../parts/await.tsx';
import { Radios } from '../../parts/inputs.tsx';

const LEVELS = [
  ['low', 'Low: only what is large'],
  ['medium', 'Medium'],
  ['high', 'High: also what is small'],
] as const;

type Level = Reply<'/v1/anomalies/settings'>['sensitivity'];

/** How little it takes to open an anomaly. Admins choose it. */
export function Sensitivity({ isAdmin }: { isAdmin: boolean }) {
  const settings = useReply('/v1/anomalies/settings');
  const [chosen, setChosen] = useState<Level | null>(null);
  const set = useAction(async (sensitivity: Level) => {
    setChosen(sensitivity);
    await ask('put', '/v1/anomalies/settings', { body: { sensitivity } }).catch((thrown: unknown) => {
      setChosen(null);
      throw thrown;
    });
  });
  return (
    <Card class="stack" title="Sensitivity">
      <Await of={settings} what="the sensitivity">
        {({ sensitivity }) =>
          isAdmin ? (
            <fieldset class="group">
              <legend class="label">How little it takes to open an anomaly, in every connection</legend>
              <Radios name="sensitivity" value={chosen ?? sensitivity} options={LEVELS} onChoose={set.run} />
            </fieldset>
          ) : (
            <p>{LEVELS.find(([level]) => level === sensitivity)?.[1]}</p>
          )
        }
      </Await>
      <p class="muted small">
        A choice counts from the next assessment on, which begins at once. Open anomalies that it no longer shows close.
      </p>
      {set.error !== null && <ActionFailure error={set.error} />}
    </Card>
  );
}
