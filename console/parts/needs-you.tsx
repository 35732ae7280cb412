import type { Schema } from '../client/client.ts';
import { useReply } from '../client/use-reply.ts';
import { daysOf, longDay, shortDay } from '../format/days.ts';
import { linkTo } from '../route.ts';
import { Failure, Loading, Note } from './messages.tsx';

/** What only a person can mend: keys that Anthropic rejects, syncs that fail, days that do not add up. */
export function NeedsYou({ from, to }: { from: string; to: string }) {
  const connections = useReply('/v1/connections', { query: { limit: 100 }, everyMs: 30_000 });
  const coverage = useReply('/v1/coverage', { query: { from, to }, everyMs: 60_000 });
  const failed = connections.error ?? coverage.error;
  if (failed !== null) return <Failure error={failed} />;
  if (connections.data === null || coverage.data === null) return <Loading what="the connections" />;
  const troubled = connections.data.data.filter(isTroubled);
  const flagged = coverage.data.data.filter(({ flagged }) => flagged).map(({ day }) => day);
  if (troubled.length === 0 && flagged.length === 0) {
    return (
      <Note tone="good" title="Nothing needs you.">
        {whole(coverage.data.missing_days, daysOf(from, to).length)}
      </Note>
    );
  }
  return (
    <div class="stack">
      {troubled.map((connection) => (
        <Trouble key={connection.id} connection={connection} />
      ))}
      {flagged.length > 0 && (
        <Note tone="warn" title={`${flagged.length === 1 ? 'A day does' : `${flagged.length} days do`} not add up`}>
          <p>{`Anthropic’s own total differs from its lines: ${flagged.slice(0, 5).map(shortDay).join(', ')}. Meterline reads such a day again with each sync.`}</p>
          <a href={linkTo(['connections'])}>Look at the calendar</a>
        </Note>
      )}
    </div>
  );
}

function whole(missing: number, days: number) {
  return (
    <p class="muted">{missing === 0 ? `All ${days} days so far are read.` : `${missing} days are still being read.`}</p>
  );
}

type Connection = Schema<'Connection'>;

function isTroubled({ status, error }: Connection): boolean {
  return status === 'awaiting_key' || status === 'degraded' || (error !== null && status !== 'disconnected');
}

function Trouble({ connection }: { connection: Connection }) {
  const { id, name, status, error } = connection;
  const needsKey = status === 'awaiting_key';
  return (
    <Note tone={needsKey ? 'bad' : 'warn'} title={needsKey ? `${name} waits for a key` : `${name} has trouble`}>
      {error !== null && <p>{error.message}</p>}
      {error !== null && <p class="muted">{error.action}</p>}
      {error !== null && (
        <p class="faint small">{`Since ${longDay(error.at.slice(0, 10))}. No day is lost meanwhile.`}</p>
      )}
      <a class={needsKey ? 'button primary' : 'button'} href={linkTo(['connections', id])}>
        {needsKey ? 'Send another key' : 'Look at it'}
      </a>
    </Note>
  );
}
