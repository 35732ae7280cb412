import { useEffect, useState } from 'preact/hooks';
import { ask, type Query, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useList } from '../../client/use-list.ts';
import { distance, instant } from '../../format/days.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Confirm } from '../../parts/confirm.tsx';
import { Badge } from '../../parts/messages.tsx';
import { soon } from '../../parts/standing.ts';
import { Entries } from '../../parts/entries.tsx';
import { addressText } from './notice-entry.tsx';
import { placeOf } from './place.ts';
import { CHANNEL_KINDS, DELIVERY_STATES, OCCASIONS } from './words.ts';

type Delivery = Schema<'Delivery'>;

const PAGE = 20;
const OFTEN_MS = 3_000;
const RARELY_MS = 30_000;

/** Deliveries as a list. An admin can have those sent again that need it. */
export function DeliveryList({ query, isAdmin, none }: { query: Query; isAdmin: boolean; none: string }) {
  const [everyMs, setEvery] = useState(RARELY_MS);
  const list = useList('/v1/deliveries', { query: { ...query, limit: PAGE }, everyMs });
  const isMoving = list.rows?.some(({ state }) => state === 'pending' || state === 'sending') ?? false;
  useEffect(() => {
    setEvery(isMoving ? OFTEN_MS : RARELY_MS);
  }, [isMoving]);
  return (
    <Entries
      list={list}
      what="deliveries"
      none={<p class="muted">{none}</p>}
      row={(delivery: Delivery) => (
        <DeliveryEntry key={delivery.id} {...{ delivery, isAdmin }} onResent={list.reload} />
      )}
    />
  );
}

function DeliveryEntry(props: { delivery: Delivery; isAdmin: boolean; onResent: () => void }) {
  const { delivery, isAdmin, onResent } = props;
  const { notice, occasion, channel, state, words, workflow_id: workflow } = delivery;
  return (
    <li class="entry">
      <div class="row">
        <StateBadge state={state} />
        <span class="muted small name">
          {`${CHANNEL_KINDS[channel.kind].name}: `}
          <a href={placeOf('channels', channel.id)}>{addressText(delivery)}</a>
        </span>
      </div>
      <h3>
        <a class="plain" href={placeOf('deliveries', null, { notice_id: notice.id })}>
          {notice.subject}
        </a>
        <span class="muted">{OCCASIONS[occasion]}</span>
      </h3>
      <p class="muted">{DELIVERY_STATES[state].means}</p>
      {words !== null && (
        <p>
          The other side’s words: <q class="name">{words}</q>
        </p>
      )}
      <p class="faint small">{triesText(delivery)}</p>
      <p class="faint small">
        In Temporal: <code>{workflow}</code>
      </p>
      {isAdmin && <Resend delivery={delivery} onResent={onResent} />}
    </li>
  );
}

/** The state of a delivery as a word with a colour. */
export function StateBadge({ state }: { state: Delivery['state'] }) {
  const { name, tone } = DELIVERY_STATES[state];
  return <Badge tone={tone}>{name}</Badge>;
}

function triesText({ tries, state, created_at: createdAt, tried_at: triedAt, next_try_at: nextTry }: Delivery): string {
  const parts = [
    `Written ${instant(createdAt)}`,
    tries === 0 || triedAt === null ? 'not tried yet' : `${tried(tries)}, last ${distance(triedAt)}`,
    ...(state === 'pending' && nextTry !== null ? [`next try ${soon(nextTry)}`] : []),
  ];
  return `${parts.join('; ')}.`;
}

function tried(tries: number): string {
  return tries === 1 ? 'tried once' : `tried ${tries} times`;
}

/** What can happen if a delivery in this state is sent again; null where it cannot be. */
const RISKS: Readonly<Record<Delivery['state'], string | null>> = {
  pending: null,
  sending: null,
  sent: null,
  unknown: 'Its message may have arrived already. If it did, it arrives a second time.',
  failed: 'It is tried for another day. If nothing was corrected since, it fails again.',
  held: 'It may have arrived before the database was restored. If it did, it arrives a second time.',
};

function Resend({ delivery, onResent }: { delivery: Delivery; onResent: () => void }) {
  const { id, state, notice, channel } = delivery;
  const resend = useAction(async () => {
    await ask('post', '/v1/deliveries/{id}/resend', { ids: { id } });
    onResent();
  });
  const risk = RISKS[state];
  if (risk === null) return null;
  // Those who know a message by its id take it once.
  const knowsIt = channel.kind === 'webhook' || channel.kind === 'pagerduty';
  const why = knowsIt && state !== 'failed' ? 'It goes out under the same id, so the receiver takes it once.' : risk;
  return (
    <>
      <div>
        <Confirm what={`Send “${notice.subject}” again`} why={why} isBusy={resend.isBusy} onConfirm={resend.run}>
          Send again
        </Confirm>
      </div>
      {resend.error !== null && <ActionFailure error={resend.error} />}
    </>
  );
}
