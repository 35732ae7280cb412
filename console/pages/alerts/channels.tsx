import type { Schema } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useList } from '../../client/use-list.ts';
import { instant } from '../../format/days.ts';
import { Badge } from '../../parts/messages.tsx';
import { ChannelTest } from './channel-test.tsx';
import { Entries } from '../../parts/entries.tsx';
import { keysOf } from '../../format/keys.ts';
import { placeOf } from './place.ts';
import { CHANNEL_KINDS, takesText } from './words.ts';

type Channel = Schema<'Channel'>;

const PAGE = 50;
const REFRESH_MS = 30_000;

/** Where notices go, and how to have them go elsewhere. */
export function Channels({ isAdmin }: { isAdmin: boolean }) {
  const list = useList('/v1/channels', { query: { limit: PAGE }, everyMs: REFRESH_MS });
  return (
    <Card
      title="Channels"
      aside={
        isAdmin &&
        (list.rows?.length ?? 0) > 0 && (
          <a class="button" href={placeOf('channels', 'new')}>
            Create a channel
          </a>
        )
      }
    >
      <Entries
        list={list}
        what="channels"
        none={<None isAdmin={isAdmin} />}
        row={(channel: Channel) => <ChannelEntry key={channel.id} {...{ channel, isAdmin }} />}
      />
    </Card>
  );
}

function None({ isAdmin }: { isAdmin: boolean }) {
  return (
    <div class="stack">
      <p>
        <strong>Nobody is told anything yet.</strong>{' '}
        <span class="muted">
          {isAdmin
            ? 'Create a channel: from then on, notices go there. Then test it.'
            : 'An admin of this Meterline can create a channel, to which notices then go.'}
        </span>
      </p>
      {isAdmin && <KindLinks />}
    </div>
  );
}

/** A link to create each kind of channel. */
export function KindLinks() {
  return (
    <ul class="row plain" aria-label="Kinds of channels">
      {keysOf(CHANNEL_KINDS).map((kind) => (
        <li key={kind}>
          <a class="button" href={placeOf('channels', 'new', { kind })}>
            {CHANNEL_KINDS[kind].name}
          </a>
        </li>
      ))}
    </ul>
  );
}

function ChannelEntry({ channel, isAdmin }: { channel: Channel; isAdmin: boolean }) {
  const { id, name, enabled, subscriptions } = channel;
  return (
    <li class="entry">
      <ChannelState channel={channel} />
      <h3>
        <a href={placeOf('channels', id)}>{name}</a>
      </h3>
      <p class="muted">{takesText(subscriptions)}</p>
      <Unsubscribed channel={channel} />
      {isAdmin && <ChannelTest {...{ id, name }} isEnabled={enabled} />}
    </li>
  );
}

/** Whether a channel takes notices and where they go, in a line; below it, why it takes none. */
export function ChannelState({ channel: { kind, target, enabled, disabled_reason: why } }: { channel: Channel }) {
  return (
    <>
      <div class="row">
        <Badge tone={enabled ? 'good' : 'warn'}>{enabled ? 'Enabled' : 'Disabled'}</Badge>
        <span class="muted small name">{`${CHANNEL_KINDS[kind].name}: ${target}`}</span>
      </div>
      {why !== null && <p>{why}</p>}
    </>
  );
}

/** Which addresses of a channel take no mail any more. */
export function Unsubscribed({ channel: { to } }: { channel: Channel }) {
  const gone = to.filter((each) => each.unsubscribed_at !== null);
  if (gone.length === 0) return null;
  return (
    <p class="warning">
      {gone.length === to.length
        ? `${to.length === 1 ? 'Its address' : 'Every address'} unsubscribed, so nobody is told: `
        : `${gone.length} of ${to.length} addresses unsubscribed: `}
      {gone.map(({ address, unsubscribed_at: at }) => `${address} on ${instant(at ?? '')}`).join('; ')}.
    </p>
  );
}
