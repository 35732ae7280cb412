import { useState } from 'preact/hooks';
import { ask } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { addDays, daysBetween, longDay, today } from '../../format/days.ts';
import { DialogForm } from '../../parts/dialog-form.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { TextField } from '../../parts/inputs.tsx';
import { counted } from '../../parts/standing.ts';
import type { DialogProps } from './rename-dialog.tsx';

const MOST_DAYS = 365;
const TITLE = 'Read more history';

/** Moves the first day of a connection back. */
export function HistoryDialog({ connection, onClose, onDone }: DialogProps) {
  const { from: began } = connection.backfill;
  const earliest = addDays(today(), -MOST_DAYS);
  const latest = addDays(began, -1);
  const [from, setFrom] = useState(earliest);
  const isEarlier = /^\d{4}-\d\d-\d\d$/.test(from) && from >= earliest && from < began;
  const send = useAction(async () => {
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
    <DialogForm title={TITLE} verb="Read these days" isReady={isEarlier} of={send} onClose={onClose}>
      <p>{`The history begins on ${longDay(began)}. It can begin up to ${MOST_DAYS} days before today, and never later again.`}</p>
      <TextField
        id="from"
        label="New first day (UTC)"
        hint={isEarlier ? `${counted(daysBetween(from, latest), 'more day')} to read.` : undefined}
        faults={isEarlier ? [] : [`Choose a day from ${longDay(earliest)} to ${longDay(latest)}.`]}
        value={from}
        input={{ type: 'date', min: earliest, max: latest }}
        onText={setFrom}
      />
    </DialogForm>
  );
}

function NoMore({ began, onClose }: { began: string; onClose: () => void }) {
  return (
    <Dialog title={TITLE} onClose={onClose}>
      <p>{`The history begins on ${longDay(began)}. A connection reads at most ${MOST_DAYS} days back, so there is no more to ask for.`}</p>
      <div>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
