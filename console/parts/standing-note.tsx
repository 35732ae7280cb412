import type { ComponentChildren } from 'preact';
import type { Schema } from '../client/client.ts';
import { Note } from './messages.tsx';
import { Progress } from './progress.tsx';
import { counted, standingOf } from './standing.ts';

/** Where a connection stands, as sentences; what helps goes below them. */
export function StandingNote({ of, children }: { of: Schema<'Connection'>; children?: ComponentChildren }) {
  const { tone, title, sentences } = standingOf(of);
  return (
    <Note tone={tone} title={title}>
      {sentences.map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {of.status === 'backfilling' && <BackfillProgress of={of} />}
      {children}
    </Note>
  );
}

/** How many days of the history are read. */
export function BackfillProgress({ of: { backfill } }: { of: Schema<'Connection'> }) {
  const { days_done, days_total } = backfill;
  return (
    <div class="fill">
      <Progress label="Days of the history that are read" done={days_done} total={days_total} />
      <span class="small num">{`${days_done} of ${counted(days_total, 'day')}`}</span>
    </div>
  );
}
