import { useState } from 'preact/hooks';
import type { Schema } from '../../client/client.ts';
import { useReply } from '../../client/use-reply.ts';
import { distance, instant } from '../../format/days.ts';
import { Badge, Failure, Loading } from '../../parts/messages.tsx';
import { NoticeLink } from '../../parts/notice-link.tsx';
import { placeOf } from './place.ts';
import { DELIVERY_STATES, NOTICE_KINDS, NOTICE_STATES, OCCASIONS, SEVERITIES } from './words.ts';

type Notice = Schema<'Notice'>;

const MOST_DELIVERIES = 100;
const REFRESH_MS = 30_000;

/** A notice: how urgent, what happened, what to do, since when, and to whom it went. */
export function NoticeEntry({ notice }: { notice: Notice }) {
  const { kind, severity, state, subject, sentence, action } = notice;
  return (
    <li class="entry">
      <div class="row">
        <Badge tone={state === 'open' ? SEVERITIES[severity].tone : 'plain'}>{SEVERITIES[severity].name}</Badge>
        <span class="muted small">{NOTICE_KINDS[kind].name}</span>
        <span class="faint small">{whenText(notice)}</span>
      </div>
      <h3>{subject}</h3>
      <p>{sentence}</p>
      {action !== null && (
        <p>
          <strong>What to do:</strong> {action}
        </p>
      )}
      <NoticeLink notice={notice} />
      <ToWhom notice={notice} />
    </li>
  );
}

/** Since when it holds, or when it was over. Most kinds tell of an instant, and close at once. */
function whenText({ state, opened_at: openedAt, closed_at: closedAt, withdrawn_at: withdrawnAt }: Notice): string {
  const opened = instant(openedAt);
  if (state === 'open') return `${NOTICE_STATES.open} since ${opened}, ${distance(openedAt)}`;
  if (state === 'withdrawn') return `${opened}, withdrawn ${instant(withdrawnAt ?? openedAt)}`;
  return closedAt === null || instant(closedAt) === opened ? opened : `${opened}, over since ${instant(closedAt)}`;
}

function ToWhom({ notice: { id, subject, deliveries } }: { notice: Notice }) {
  const [isOpen, setOpen] = useState(false);
  const { sent, waiting, attention } = deliveries;
  if (sent + waiting + attention === 0) return <p class="faint small">No channel took it.</p>;
  const parts = [
    ...(sent === 0 ? [] : [`${sent} sent`]),
    ...(waiting === 0 ? [] : [`${waiting} on ${waiting === 1 ? 'its' : 'their'} way`]),
    ...(attention === 0 ? [] : [`${attention} ${attention === 1 ? 'needs' : 'need'} a person`]),
  ];
  return (
    <details
      onToggle={(event) => {
        setOpen(event.currentTarget.open);
      }}
    >
      <summary class="small">
        {`To whom: ${parts.join(', ')}`}
        <span class="hidden">{`, of “${subject}”`}</span>
      </summary>
      {isOpen && <Told id={id} />}
    </details>
  );
}

function Told({ id }: { id: string }) {
  const { data, error, reload } = useReply('/v1/deliveries', {
    query: { notice_id: id, limit: MOST_DELIVERIES },
    everyMs: REFRESH_MS,
  });
  if (data === null) return error === null ? <Loading what="deliveries" /> : <Failure error={error} retry={reload} />;
  return (
    <div class="told">
      <ul class="plain-list">
        {data.data.map((delivery) => (
          <li key={delivery.id} class="row">
            <Badge tone={DELIVERY_STATES[delivery.state].tone}>{DELIVERY_STATES[delivery.state].name}</Badge>
            <span class="name">{addressText(delivery)}</span>
            <span class="muted small">{OCCASIONS[delivery.occasion]}</span>
            {delivery.words !== null && <q class="muted small name">{delivery.words}</q>}
          </li>
        ))}
      </ul>
      <a class="small" href={placeOf('deliveries', null, { notice_id: id })}>
        {data.next === null ? 'See each delivery in full' : 'See all deliveries'}
      </a>
    </div>
  );
}

/** Where a delivery goes: the channel, and of mail the address. */
export function addressText({ channel, address }: Pick<Schema<'Delivery'>, 'channel' | 'address'>): string {
  return address === null ? channel.name : `${address} (${channel.name})`;
}
