import type { Session } from '../client/session.ts';
import { Note } from '../parts/messages.tsx';
import type { Route } from '../route.ts';
import { ChannelPage } from './alerts/channel.tsx';
import { Channels } from './alerts/channels.tsx';
import { Deliveries } from './alerts/deliveries.tsx';
import { NewChannel } from './alerts/new-channel.tsx';
import { Notices } from './alerts/notices.tsx';
import { ReportPage } from './alerts/report.tsx';
import { Reports } from './alerts/reports.tsx';
import { PARTS, placeOf, type Part } from './alerts/place.ts';
import '../style/alerts.css';
import '../style/explore.css';

/** What people should know, where it goes, and whether it arrived. */
export function Alerts({ route, session }: { route: Route; session: Session }) {
  const [, name = 'notices', id = null] = route.path;
  const part = PARTS.find((each) => each === name) ?? null;
  return (
    <>
      <div class="top">
        <h1>Alerts</h1>
      </div>
      <div class="stack">
        <Tabs part={part} />
        {part === null ? (
          <Note title="There is no such page.">
            <a href={placeOf('notices')}>See the notices</a>
          </Note>
        ) : (
          <Shown {...{ part, id }} query={route.query} isAdmin={session.role === 'admin'} />
        )}
      </div>
    </>
  );
}

function Shown(props: { part: Part; id: string | null; query: URLSearchParams; isAdmin: boolean }) {
  const { part, id, query, isAdmin } = props;
  switch (part) {
    case 'notices':
      return <Notices query={query} isAdmin={isAdmin} />;
    case 'deliveries':
      return <Deliveries query={query} isAdmin={isAdmin} />;
    case 'reports':
      return id === null ? <Reports isAdmin={isAdmin} /> : <ReportPage key={id} {...{ id, isAdmin }} />;
    case 'channels':
      if (id === null) return <Channels isAdmin={isAdmin} />;
      if (id === 'new') return <NewChannel query={query} isAdmin={isAdmin} />;
      return <ChannelPage key={id} id={id} isAdmin={isAdmin} />;
  }
}

const NAMES: Readonly<Record<Part, string>> = {
  notices: 'Notices',
  channels: 'Channels',
  deliveries: 'Deliveries',
  reports: 'Reports',
};

function Tabs({ part }: { part: Part | null }) {
  return (
    <nav class="tabs" aria-label="Parts of alerts">
      {PARTS.map((each) => (
        <a key={each} href={placeOf(each)} {...(each === part ? { 'aria-current': 'page' as const } : {})}>
          {NAMES[each]}
        </a>
      ))}
    </nav>
  );
}
