import type { Schema } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useList } from '../../client/use-list.ts';
import { useReply } from '../../client/use-reply.ts';
import { Note } from '../../parts/messages.tsx';
import { KindAndState } from '../../parts/choice.tsx';
import { Entries } from '../../parts/entries.tsx';
import { NoticeEntry } from './notice-entry.tsx';
import { chosenOf, keysOf } from '../../format/keys.ts';
import { placeOf } from './place.ts';
import { NOTICE_KINDS, NOTICE_STATES, SEVERITIES } from './words.ts';

type Notice = Schema<'Notice'>;

const PAGE = 20;
const MOST_OPEN = 100;
const REFRESH_MS = 30_000;

/** What people should know: first what still holds, the most urgent first, then everything, newest first. */
export function Notices({ query, isAdmin }: { query: URLSearchParams; isAdmin: boolean }) {
  return (
    <>
      <NobodyIsTold isAdmin={isAdmin} />
      <OpenNotices />
      <AllNotices query={query} />
    </>
  );
}

/** Says so if no channel takes anything. */
function NobodyIsTold({ isAdmin }: { isAdmin: boolean }) {
  const { data } = useReply('/v1/channels', { query: { limit: 100 }, everyMs: REFRESH_MS });
  if (data === null || data.data.some(({ enabled }) => enabled)) return null;
  const isNone = data.data.length === 0;
  return (
    <Note
      tone="warn"
      title={isNone ? 'Nobody is told anything yet.' : 'Nobody is told anything: no channel is enabled.'}
    >
      <p>
        {isNone
          ? 'Notices are kept here, and go to nobody. Create a channel, and they go to a mailbox, a chat or a pager, too.'
          : 'Notices are kept here, and go to nobody. See why each channel is disabled, and enable one.'}
      </p>
      {isAdmin ? (
        <a class="button primary" href={isNone ? placeOf('channels', 'new') : placeOf('channels')}>
          {isNone ? 'Create a channel' : 'See the channels'}
        </a>
      ) : (
        <p class="muted">An admin of this Meterline can do this.</p>
      )}
    </Note>
  );
}

function OpenNotices() {
  const open = useReply('/v1/notices', {
    query: { state: 'open', limit: MOST_OPEN },
    everyMs: REFRESH_MS,
  });
  const urgency = keysOf(SEVERITIES);
  const { data } = open;
  const rows =
    data === null ? null : [...data.data].sort((a, b) => urgency.indexOf(a.severity) - urgency.indexOf(b.severity));
  return (
    <Card title="Needs a person" aside={<span class="muted">Notices that still hold, the most urgent first</span>}>
      <Entries
        list={{ ...open, rows, more: null }}
        what="open notices"
        none={<p class="muted">Nothing is open. Whatever needs a person appears here until it is over.</p>}
        row={(notice: Notice) => <NoticeEntry key={notice.id} notice={notice} />}
      />
      {typeof data?.next === 'string' && (
        <p class="muted small">{`These are the newest ${MOST_OPEN}; the list below has all of them.`}</p>
      )}
    </Card>
  );
}

function AllNotices({ query }: { query: URLSearchParams }) {
  const kind = chosenOf(NOTICE_KINDS, query.get('kind'));
  const state = chosenOf(NOTICE_STATES, query.get('state'));
  const list = useList('/v1/notices', { query: { kind, state, limit: PAGE }, everyMs: REFRESH_MS });
  return (
    <Card title="All notices" aside={<span class="muted">Newest first, whether they went to anybody or not</span>}>
      <KindAndState path={['alerts', 'notices']} kinds={NOTICE_KINDS} states={NOTICE_STATES} {...{ kind, state }} />
      <Entries
        list={list}
        what="notices"
        none={
          <p class="muted">
            {kind === null && state === null ? (
              'Nothing has happened yet. The first notice comes once an organization is connected.'
            ) : (
              <>
                No notice is like this. <a href={placeOf('notices')}>Show all</a>
              </>
            )}
          </p>
        }
        row={(notice: Notice) => <NoticeEntry key={notice.id} notice={notice} />}
      />
    </Card>
  );
}
