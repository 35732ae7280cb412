import type { Schema } from '../client/client.ts';
import { useReply } from '../client/use-reply.ts';
import { longDay, shortDay } from '../format/days.ts';
import { linkTo } from '../route.ts';
import { Failure, Loading, Note } from './messages.tsx';
import { NoticeLink } from './notice-link.tsx';
import { remedyOf } from './standing.ts';

/** The statuses in which a connection may need a person. */
const TROUBLED = ['awaiting_key', 'degraded', 'validating'] as const;

/** How many notices stand here in full. */
const MOST_NOTICES = 5;

/** What only a person can mend: keys that Anthropic rejects, syncs that fail, days that do not add up, open notices. */
export function NeedsYou({ from, to }: { from: string; to: string }) {
  // By status: there may be more connections than a page of the list has.
  const lists = TROUBLED.map((status) =>
    useReply('/v1/connections', { query: { status, limit: 20 }, everyMs: 30_000 }),
  );
  const coverage = useReply('/v1/coverage', { query: { from, to }, everyMs: 60_000 });
  const open = useReply('/v1/notices', { query: { state: 'open', limit: 100 }, everyMs: 30_000 });
  const failed = [...lists, coverage, open].find(({ error }) => error !== null);
  if (failed?.error != null) return <Failure error={failed.error} />;
  if (coverage.data === null || open.data === null || lists.some(({ data }) => data === null)) {
    return <Loading what="the connections" />;
  }
  const troubled = lists.flatMap(({ data }) => data?.data ?? []).filter(isTroubled);
  const flagged = coverage.data.data.filter((day) => day.flagged).map(({ day }) => day);
  const isShown = shownOf(troubled, flagged);
  const notices = open.data.data.filter((notice) => notice.severity !== 'info' && !isShown(notice));
  if (troubled.length === 0 && flagged.length === 0 && notices.length === 0) {
    return (
      <Note tone="good" title="Nothing needs you.">
        <p class="muted">{readSentence(coverage.data)}</p>
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
          <a href={linkTo(['connections'])}>Find it in the calendars of the connections</a>
        </Note>
      )}
      {notices.slice(0, MOST_NOTICES).map((notice) => (
        <OpenNotice key={notice.id} notice={notice} />
      ))}
      {open.data.data.length > 0 && <a href={linkTo(['alerts', 'notices'])}>{leadText(open.data.data.length)}</a>}
    </div>
  );
}

type Notice = Schema<'Notice'>;

/** Whether a notice tells what the page shows anyhow. */
function shownOf(troubled: readonly Connection[], flagged: readonly string[]): (notice: Notice) => boolean {
  return ({ kind, connection_id: id }) =>
    (kind === 'connection_trouble' && troubled.some((connection) => connection.id === id)) ||
    (kind === 'day_flagged' && flagged.length > 0);
}

function leadText(open: number): string {
  return open === 1 ? 'See the open notice, and who was told' : `See all ${open} open notices, and who was told`;
}

function OpenNotice({ notice }: { notice: Notice }) {
  const { severity, subject, sentence, action } = notice;
  return (
    <Note tone={severity === 'critical' ? 'bad' : 'warn'} title={subject}>
      <p>{sentence}</p>
      {action !== null && <p class="muted">{action}</p>}
      <NoticeLink notice={notice} />
    </Note>
  );
}

/** How many of the days are there. */
function readSentence({ data, missing_days: missing }: Schema<'Coverage'>): string {
  const read = data.filter(({ state }) => state === 'final' || state === 'provisional').length;
  if (read === data.length) return read === 1 ? 'The day so far is read.' : `All ${read} days so far are read.`;
  const parts = [`${read} of ${data.length} days are read`];
  if (missing > 0) parts.push(`${missing} are still to be read`);
  if (read + missing < data.length) parts.push(`${data.length - read - missing} are not covered in full`);
  return `${parts.join(', ')}.`;
}

type Connection = Schema<'Connection'>;

function isTroubled({ status, error }: Connection): boolean {
  return status !== 'validating' || error !== null;
}

function Trouble({ connection }: { connection: Connection }) {
  const { id, name, status, error } = connection;
  const needsKey = status === 'awaiting_key';
  return (
    <Note tone={needsKey ? 'bad' : 'warn'} title={needsKey ? `${name} waits for a key` : `${name} has trouble`}>
      {error !== null && <p>{error.message}</p>}
      {error !== null && <p class="muted">{remedyOf(error)}</p>}
      {error !== null && (
        <p class="faint small">{`Since ${longDay(error.at.slice(0, 10))}. No day is lost meanwhile.`}</p>
      )}
      <a class={needsKey ? 'button primary' : 'button'} href={linkTo(['connections', id])}>
        {needsKey ? 'Send another key' : 'Look at it'}
      </a>
    </Note>
  );
}
