import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Reply } from '../client/client.ts';
import type { Session } from '../client/session.ts';
import { useReply } from '../client/use-reply.ts';
import { longMonth } from '../format/days.ts';
import { Waiting } from '../parts/await.tsx';
import { Badge, Failure, Note } from '../parts/messages.tsx';
import { go, linkTo, type Route } from '../route.ts';
import { ClosePage } from './chargeback/close.tsx';
import { LinesPage } from './chargeback/lines.tsx';
import { MonthPage } from './chargeback/month.tsx';
import { isMonth, PARTS, placeOf, type Part } from './chargeback/place.ts';
import { RulesPage } from './chargeback/rules.tsx';
import '../style/chargeback.css';
import { Select } from '../parts/select.tsx';

/** A month that has costs, with its statements. */
export type ListedMonth = Reply<'/v1/chargeback'>['data'][number];

/** What each part of the page gets. */
export interface PartProps {
  readonly month: string;
  /** Every month that has costs, the latest first. */
  readonly months: readonly ListedMonth[];
  readonly query: URLSearchParams;
  readonly isAdmin: boolean;
  /** Is told when a month was closed or opened again. */
  readonly onChange: () => void;
}

/** Who owes what for a month: the month, the rules that decide it, and closing it. */
export function Chargeback({ route, session }: { route: Route; session: Session }) {
  const { data, error, reload } = useReply('/v1/chargeback');
  if (data === null) {
    return (
      <Shell>
        <Waiting of={{ error, reload }} what="the months" />
      </Shell>
    );
  }
  const months = data.data;
  const [first] = months;
  const [, asked = first?.month, name = 'month'] = route.path;
  const part = PARTS.find((each) => each === name);
  if (first === undefined || asked === undefined) return <NoMonths isAdmin={session.role === 'admin'} />;
  if (part === undefined || !isMonth(asked)) {
    return (
      <Shell>
        <Note title="There is no such page.">
          <a href={placeOf(first.month)}>{`See ${longMonth(first.month)}`}</a>
        </Note>
      </Shell>
    );
  }
  const listed = months.find(({ month }) => month === asked);
  const props: PartProps = {
    month: asked,
    months,
    query: route.query,
    isAdmin: session.role === 'admin',
    onChange: reload,
  };
  return (
    <Shell aside={<MonthField month={asked} months={months} part={part} />} badge={<State of={listed} />}>
      {error !== null && <Failure error={error} retry={reload} />}
      <Tabs month={asked} part={part} query={route.query} />
      <Shown part={part} key={`${asked} ${listed?.state ?? ''}`} {...props} />
    </Shell>
  );
}

function Shown({ part, ...props }: PartProps & { part: Part }) {
  switch (part) {
    case 'month':
      return <MonthPage {...props} />;
    case 'rules':
      return <RulesPage {...props} />;
    case 'close':
      return <ClosePage {...props} />;
    case 'lines':
      return <LinesPage {...props} />;
  }
}

function Shell(props: { aside?: ComponentChildren; badge?: ComponentChildren; children: ComponentChildren }) {
  return (
    <>
      <div class="top">
        <div class="row">
          <h1>Chargeback</h1>
          {props.badge}
        </div>
        {props.aside}
      </div>
      <div class="stack">{props.children}</div>
    </>
  );
}

function NoMonths({ isAdmin }: { isAdmin: boolean }) {
  return (
    <Shell>
      <Note title="No month has costs yet.">
        <p>Connect an organization. Each month of its costs can then be divided among cost centers here.</p>
        {isAdmin && (
          <a class="button primary" href={linkTo(['connect'])}>
            Connect an organization
          </a>
        )}
      </Note>
    </Shell>
  );
}

function State({ of }: { of: ListedMonth | undefined }) {
  const before = useRef(of);
  useEffect(() => {
    const { current: last } = before;
    before.current = of;
    // The button that closed or reopened the month is gone, and with it the focus.
    if (last?.month === of?.month && last?.state !== of?.state) document.querySelector('main')?.focus();
  }, [of?.month, of?.state]);
  return of?.state === 'closed' ? <Badge tone="good">Closed</Badge> : <Badge>Open</Badge>;
}

function MonthField({ month, months, part }: { month: string; months: readonly ListedMonth[]; part: Part }) {
  const isListed = months.some((each) => each.month === month);
  return (
    <label class="inline month-field">
      Month{' '}
      <Select
        value={month}
        options={[
          ...(isListed ? [] : [[month, longMonth(month)] as const]),
          ...months.map(
            (each) => [each.month, `${longMonth(each.month)}${each.state === 'closed' ? ', closed' : ''}`] as const,
          ),
        ]}
        onChoose={(chosen) => {
          go(placeOf(chosen, part === 'lines' ? 'month' : part));
        }}
      />
    </label>
  );
}

const NAMES = { month: 'Month', rules: 'Rules', close: 'Close' } as const;

function Tabs({ month, part, query }: { month: string; part: Part; query: URLSearchParams }) {
  const groups = query.get('group_by');
  return (
    <nav class="tabs" aria-label="Parts of chargeback">
      {(['month', 'rules', 'close'] as const).map((each) => (
        <a
          key={each}
          href={placeOf(month, each, each === 'month' ? { group_by: groups } : {})}
          {...(each === part || (each === 'month' && part === 'lines') ? { 'aria-current': 'page' as const } : {})}
        >
          {NAMES[each]}
        </a>
      ))}
    </nav>
  );
}
