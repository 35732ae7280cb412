import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useReply } from '../../client/use-reply.ts';
import { useState } from 'preact/hooks';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { addressText } from './notice-entry.tsx';
import { StateBadge } from './delivery-list.tsx';
import type { DeliveryState } from './words.ts';

const OFTEN_MS = 2_000;
const RARELY_MS = 30_000;

/** Sends a test to a channel, and shows what the other side says to each address. */
export function ChannelTest({ id, name, isEnabled }: { id: string; name: string; isEnabled: boolean }) {
  const [sent, setSent] = useState<Reply<'/v1/channels/{id}/test', 'post'> | null>(null);
  const test = useAction(async () => {
    setSent(null);
    setSent(await ask('post', '/v1/channels/{id}/test', { ids: { id } }));
  });
  return (
    <>
      <button
        type="button"
        disabled={test.isBusy || !isEnabled}
        aria-label={`Test ${name}`}
        {...(isEnabled ? {} : { title: 'Enable it first.' })}
        onClick={test.run}
      >
        Test
      </button>
      <div class="said tested" role="status">
        {test.isBusy && <span class="muted">The test is on its way …</span>}
        {sent !== null && <Answers key={sent.notice_id} sent={sent} />}
      </div>
      {test.error !== null && <ActionFailure error={test.error} />}
    </>
  );
}

function isMoving({ state }: { readonly state: DeliveryState }): boolean {
  return state === 'pending' || state === 'sending';
}

/** The answers of the addresses, followed as long as one is due. */
function Answers({ sent }: { sent: Reply<'/v1/channels/{id}/test', 'post'> }) {
  const [everyMs, setEvery] = useState(OFTEN_MS);
  const { data } = useReply('/v1/deliveries', {
    query: { notice_id: sent.notice_id, limit: 100 },
    everyMs,
    skip: !sent.deliveries.some(isMoving),
  });
  const deliveries = data?.data ?? sent.deliveries;
  const wanted = deliveries.some(isMoving) ? OFTEN_MS : RARELY_MS;
  if (wanted !== everyMs) setEvery(wanted);
  return (
    <ul class="plain-list" aria-label="What the other side said">
      {deliveries.map((delivery) => (
        <li key={delivery.id} class="row">
          <StateBadge state={delivery.state} />
          <span class="name">{addressText(delivery)}</span>
          {delivery.words === null ? (
            <span class="muted">has not answered yet</span>
          ) : (
            <q class="name">{delivery.words}</q>
          )}
          {delivery.state === 'pending' && delivery.words !== null && <span class="muted">It is tried again.</span>}
        </li>
      ))}
    </ul>
  );
}
