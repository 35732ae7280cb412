import { useState } from 'preact/hooks';
import { ask } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { addDays, daysBetween, longDay, today } from '../../format/days.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { counted } from '../../parts/standing.ts';
import type { DialogProps } from './rename-dialog.tsx';

const MOST_DAYS = 365;

/** Moves the first day of a connection back. */
export function HistoryDialog({ connection, onClose, onDone }: DialogProps) {
  const { from: began } = connection.backfill;
  const earliest = addDays(today(), -MOST_DAYS);
  const [from, setFrom] = useState(earliest);
  const isEarlier = /^\d{4}-\d\d-\d\d$/.test(from) && from >= earliest && from < began;
  const { isBusy, error, run } = useAction(async () => {
    await ask('post', '/v1/connections/{id}/backfill', { ids: { id: connection.id }, body: { from } });
    onDone(
      connection.status === 'paused'
        ? `The history begins on ${longDay(from)} now. The new days are read once somebody resumes the connection.`
        : `The history begins on ${longDay(from)} now. The calendar fills as Meterline reads the new days.`,
    );
    onClose();
  });
  if (began <= earliest) return <NoMore began={began} onClose={onClose} />;
  return (
    <Dialog title="Read more history" onClose={onClose}>
      <p>{`The history begins on ${longDay(began)}. It can begin up to ${MOST_DAYS} days before today, and never later again.`}</p>
      <form
        class="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (isEarlier) run();
        }}
      >
        <FirstDay from={from} earliest={earliest} latest={addDays(began, -1)} isValid={isEarlier} onChange={setFrom} />
        {error !== null && <ActionFailure error={error} hasForm />}
        <div class="row">
          <button class="primary" type="submit" disabled={isBusy || !isEarlier}>
            Read these days
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function NoMore({ began, onClose }: { began: string; onClose: () => void }) {
  return (
    <Dialog title="Read more history" onClose={onClose}>
      <p>{`The history begins on ${longDay(began)}. A connection reads at most ${MOST_DAYS} days back, so there is no more to ask for.`}</p>
      <div>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function FirstDay(props: {
  from: string;
  earliest: string;
  latest: string;
  isValid: boolean;
  onChange: (day: string) => void;
}) {
  const { from, earliest, latest, isValid, onChange } = props;
  return (
    <div>
      <label for="from">New first day (UTC)</label>
      <input
        id="from"
        type="date"
        value={from}
        min={earliest}
        max={latest}
        aria-invalid={!isValid}
        aria-describedby="from-says"
        onInput={(event) => {
          onChange(event.currentTarget.value);
        }}
      />
      <div id="from-says" aria-live="polite">
        {isValid ? (
          <p class="hint">{`${counted(daysBetween(from, latest), 'more day')} to read.`}</p>
        ) : (
          <p class="fault">{`Choose a day from ${longDay(earliest)} to ${longDay(latest)}.`}</p>
        )}
      </div>
    </div>
  );
}
