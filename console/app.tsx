import type { ComponentChildren, ComponentType } from 'preact';
import { useEffect, useErrorBoundary, useRef, useState } from 'preact/hooks';
import { useReply } from './client/use-reply.ts';
import { errorOf, useSession, type Session } from './client/session.ts';
import { forgetDrafts } from './client/use-draft.ts';
import { Failure, Loading } from './parts/messages.tsx';
// The bundle follows this order, and compresses best where pages that are alike stand together.
import { Enter } from './pages/enter.tsx';
import { Explore } from './pages/explore.tsx';
import { Connections } from './pages/connections.tsx';
import { Overview } from './pages/overview.tsx';
import { Settings } from './pages/settings.tsx';
import { Connect } from './pages/connect.tsx';
import { Chargeback } from './pages/chargeback.tsx';
import { Budgets } from './pages/budgets.tsx';
import { Anomalies } from './pages/anomalies.tsx';
import { Alerts } from './pages/alerts.tsx';
import { useRoute, type Route } from './route.ts';

/** A page of the console: where it is, what it is called, and who sees it in the navigation. */
interface Page {
  readonly path: string;
  readonly name: string;
  readonly isForAdmins?: boolean;
  readonly Shown: ComponentType<{ route: Route; session: Session }>;
  /** The part of the path that makes it another page for whoever looks at it; without it, all of it. */
  readonly place?: (path: readonly string[]) => readonly string[];
}

/** The field for the month, or the tabs, keep the focus when another one is chosen. */
const withoutPart = ([page = '', , ...parts]: readonly string[]): readonly string[] => [page, ...parts];

const PAGES: readonly Page[] = [
  { path: 'overview', name: 'Overview', Shown: Overview },
  { path: 'explore', name: 'Explore', Shown: Explore },
  { path: 'chargeback', name: 'Chargeback', Shown: Chargeback, place: withoutPart },
  { path: 'budgets', name: 'Budgets', Shown: Budgets },
  { path: 'anomalies', name: 'Anomalies', Shown: Anomalies },
  { path: 'alerts', name: 'Alerts', Shown: Alerts, place: withoutPart },
  { path: 'connections', name: 'Connections', Shown: Connections },
  { path: 'connect', name: 'Connect', isForAdmins: true, Shown: Connect },
  { path: 'settings', name: 'Settings', Shown: Settings },
];

/** The whole console: the page to enter by for whoever has no session, else the frame with the page of the address. */
export function App() {
  const route = useRoute();
  const { state, enter, leave } = useSession();
  // A link lets in also where somebody is in already: it may be another person's.
  const [link, setLink] = useState<string | null>(null);
  const asked = route.path[0] === 'enter' ? (route.path[1] ?? '') : null;
  useEffect(() => {
    if (asked !== null) setLink(asked);
  }, [asked]);
  if (asked !== null || link !== null || state.is === 'out' || state.is === 'over') {
    const onEntered = (): void => {
      setLink(null);
      enter();
    };
    const inAs = state.is === 'in' ? state.session.name : null;
    return <Enter link={asked ?? link} isOver={state.is === 'over'} inAs={inAs} onEntered={onEntered} />;
  }
  if (state.is === 'asking' || state.is === 'leaving') {
    const title = state.is === 'leaving' ? { title: 'You are not signed out yet.' } : {};
    return (
      <main class="alone">
        {state.error === null ? <Loading what="the console" /> : <Failure error={state.error} {...title} />}
      </main>
    );
  }
  const onLeave = (): void => {
    forgetDrafts();
    leave();
  };
  return <Frame route={route} session={state.session} onLeave={onLeave} />;
}

function Frame({ route, session, onLeave }: { route: Route; session: Session; onLeave: () => void }) {
  const pages = PAGES.filter(({ isForAdmins }) => isForAdmins !== true || session.role === 'admin');
  // Also a page that is not in the navigation: it says who may do what it is for.
  const page = PAGES.find(({ path }) => path === (route.path[0] ?? 'overview')) ?? pages[0];
  const main = useRef<HTMLElement>(null);
  const place = (page?.place?.(route.path) ?? route.path).join('/');
  useEffect(() => {
    document.title = `${page?.name ?? ''} · Meterline`;
  }, [page]);
  // A screen reader goes on with the new page, as it does when a browser loads one.
  const before = useRef(place);
  useEffect(() => {
    if (before.current !== place) main.current?.focus();
    before.current = place;
  }, [place]);
  return (
    <div class="shell">
      <nav class="nav" aria-label="Main">
        <a
          class="skip"
          href={location.hash}
          onClick={(event) => {
            event.preventDefault();
            main.current?.focus();
          }}
        >
          Skip to the page
        </a>
        <span class="brand">
          <Mark />
          <span>Meterline</span>
        </span>
        {pages.map(({ path, name }) => (
          <a key={path} href={`#/${path}`} {...(path === page?.path ? { 'aria-current': 'page' as const } : {})}>
            {name}
            {path === 'connections' && <Waiting />}
            {path === 'alerts' && <OpenNotices />}
          </a>
        ))}
        <div class="foot">
          <span>Days are UTC</span>
          <a class="plain" href="/docs/">
            API reference
          </a>
          <span>{`${session.name} (${session.role})`}</span>
          <button type="button" class="quiet small" onClick={onLeave}>
            Sign out
          </button>
        </div>
      </nav>
      <main ref={main} tabindex={-1}>
        <Fence key={place}>{page !== undefined && <page.Shown {...{ route, session }} />}</Fence>
      </main>
    </div>
  );
}

/** Keeps the frame when a page fails, so that a person can go elsewhere. */
function Fence({ children }: { children: ComponentChildren }) {
  const boundary: readonly unknown[] = useErrorBoundary();
  const [thrown] = boundary;
  return thrown === undefined ? <>{children}</> : <Failure error={errorOf(thrown)} />;
}

/** How many connections wait for a person. */
function Waiting() {
  const { data } = useReply('/v1/connections', { query: { status: 'awaiting_key', limit: 100 }, everyMs: 60_000 });
  if (data === null || data.data.length === 0) return null;
  return (
    <span class="badge bad">
      {data.data.length}
      <span class="hidden"> waiting for a key</span>
    </span>
  );
}

/** How many notices hold that need a person. */
function OpenNotices() {
  const { data } = useReply('/v1/notices', { query: { state: 'open', limit: 100 }, everyMs: 60_000 });
  const urgent = (data?.data ?? []).filter(({ severity }) => severity !== 'info');
  if (urgent.length === 0) return null;
  return (
    <span class={`badge ${urgent.some(({ severity }) => severity === 'critical') ? 'bad' : 'warn'}`}>
      {urgent.length}
      <span class="hidden">{` open ${urgent.length === 1 ? 'notice' : 'notices'}`}</span>
    </span>
  );
}

function Mark() {
  return (
    <svg
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      aria-hidden="true"
    >
      <path d="M2 14a8 8 0 0 1 16 0" />
      <path class="needle" d="m10 14 4-5.5" />
    </svg>
  );
}
