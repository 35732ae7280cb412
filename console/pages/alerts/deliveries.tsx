import { searchOf } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useReply } from '../../client/use-reply.ts';
import { go, linkTo } from '../../route.ts';
import { Choice, KeyChoice } from '../../parts/choice.tsx';
import { DeliveryList } from './delivery-list.tsx';
import { chosenOf } from '../../format/keys.ts';
import { placeOf } from './place.ts';
import { DELIVERY_STATES } from './words.ts';

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The ways of notices to their addresses: what arrived, what waits, and what needs a person. */
export function Deliveries({ query, isAdmin }: { query: URLSearchParams; isAdmin: boolean }) {
  const state = chosenOf(DELIVERY_STATES, query.get('state'));
  const notice = idOf(query.get('notice_id'));
  const channel = idOf(query.get('channel_id'));
  const channels = useReply('/v1/channels', { query: { limit: 100 } });
  const known = channels.data?.data ?? [];
  const isDeleted = channel !== null && channels.data !== null && !known.some(({ id }) => id === channel);
  const filter = (part: { state?: string | null; channel_id?: string | null }): void => {
    const next = { state, channel_id: channel, notice_id: notice, ...part };
    go(linkTo(['alerts', 'deliveries'], searchOf(next)), { replace: true });
  };
  return (
    <Card title="Deliveries" aside={<span class="muted">One notice to one address each, newest first</span>}>
      <div class="row filter">
        <KeyChoice
          id="state"
          label="State"
          all="Every state"
          words={DELIVERY_STATES}
          value={state}
          onChoose={(chosen) => {
            filter({ state: chosen });
          }}
        />
        <Choice
          id="channel"
          label="Channel"
          value={channel ?? ''}
          options={[
            ['', 'Every channel'],
            ...(isDeleted ? [[channel, 'A deleted channel'] as const] : []),
            ...known.map(({ id, name }) => [id, name] as const),
          ]}
          onChoose={(value) => {
            filter({ channel_id: value || null });
          }}
        />
        {notice !== null && <a href={placeOf('deliveries', null, { state, channel_id: channel })}>Of every notice</a>}
      </div>
      <DeliveryList
        query={{ state, channel_id: channel, notice_id: notice }}
        isAdmin={isAdmin}
        none={
          state === null && channel === null && notice === null
            ? 'Nothing was sent yet. Create a channel and test it: its deliveries appear here.'
            : 'No delivery is like this.'
        }
      />
    </Card>
  );
}

/** An id that the address names; null for any other text, which the API would refuse. */
function idOf(text: string | null): string | null {
  return text !== null && ID.test(text) ? text : null;
}
