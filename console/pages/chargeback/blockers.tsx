import type { Schema } from '../../client/client.ts';
import { searchOf } from '../../client/client.ts';
import { useReply } from '../../client/use-reply.ts';
import { longDay } from '../../format/days.ts';
import { Note } from '../../parts/messages.tsx';
import { counted } from '../../parts/standing.ts';
import { linkTo } from '../../route.ts';
import { shownOn } from './shown-on.ts';

type Day = Schema<'UncertainDay'>;

/** More connections than this are not named at each day. */
const MOST_NAMED = 3;

/** The days that keep a month from being closed, and where to look at each. */
export function Blockers({ days }: { days: readonly Day[]; month: string }) {
  const { data } = useReply('/v1/connections', { query: { limit: 100 } });
  const connections = data?.data ?? [];
  return (
    <>
      <Note
        tone="warn"
        title={
          days.length === 1 ? 'One day is not certain yet.' : `${counted(days.length, 'day')} are not certain yet.`
        }
      >
        <p>{adviceFor(days)}</p>
      </Note>
      <ul class="plain-list blockers tall" tabindex={0} aria-label="Days that are not certain">
        {days.map((day) => (
          <li key={day.day}>
            <span class="when">{longDay(day.day)}</span> <Reason day={day} connections={connections} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** Waiting helps only where something is still to come. */
function adviceFor(days: readonly Day[]): string {
  const lasting = days.every(({ state }) => state === 'uncovered');
  return lasting
    ? 'Waiting does not change this. If there were costs then, read more history of the connection. If not, close the month all the same and say why.'
    : 'Wait until every day is final, or close the month all the same and say why.';
}

function Reason({ day, connections }: { day: Day; connections: readonly Schema<'Connection'>[] }) {
  const { lacking, shown } = shownOn(day, connections);
  return (
    <>
      <span class="muted">{lacking ? 'is not covered by every connection. These began later:' : reasonOf(day)}</span>{' '}
      <Links day={day.day} connections={shown} isNamed={lacking} />
    </>
  );
}

function reasonOf({ state, flagged }: Day): string {
  if (state === 'missing') return 'is still to be read.';
  if (state === 'uncovered') return 'is covered by no connection.';
  return flagged
    ? 'does not add up: its lines differ from Anthropic’s own total.'
    : 'is provisional: Anthropic may still change it.';
}

function Links(props: {
  day: string;
  connections: readonly { readonly id: string; readonly name: string }[];
  /** Whether the name is said although there is only one. */
  isNamed: boolean;
}) {
  const { day, connections, isNamed } = props;
  if (connections.length === 0) return null;
  if (connections.length > MOST_NAMED) {
    const query = searchOf({ report: 'costs', from: day, to: day, group_by: 'connection' });
    return (
      <a href={linkTo(['explore'], query)}>
        See the day<span class="hidden">{` ${longDay(day)}`}</span>
      </a>
    );
  }
  return (
    <span>
      {connections.map(({ id, name }, index) => (
        <span key={id}>
          {index > 0 && ', '}
          <a href={linkTo(['connections', id, 'days', day])}>
            {connections.length === 1 && !isNamed ? 'See the day' : name}
            <span class="hidden">{` ${longDay(day)}`}</span>
          </a>
        </span>
      ))}
    </span>
  );
}
