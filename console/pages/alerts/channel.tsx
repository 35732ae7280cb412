import { useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import { ApiError, ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useReply } from '../../client/use-reply.ts';
import { instant } from '../../format/days.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Confirm } from '../../parts/confirm.tsx';
import { Failure, Loading, Note } from '../../parts/messages.tsx';
import { go, linkTo } from '../../route.ts';
import { changeOf, draftOf } from './channel-draft.ts';
import { ChannelForm } from './channel-form.tsx';
import { ChannelTest } from './channel-test.tsx';
import { ChannelState, Unsubscribed } from './channels.tsx';
import { DeliveryList } from './delivery-list.tsx';
import { placeOf } from './place.ts';
import { takesText } from './words.ts';

type Channel = Schema<'Channel'>;

const REFRESH_MS = 30_000;

/** A channel: whether it takes notices, what an admin can do about it, and what went there. */
export function ChannelPage({ id, isAdmin }: { id: string; isAdmin: boolean }) {
  const { data: channel, error, reload } = useReply('/v1/channels/{id}', { ids: { id }, everyMs: REFRESH_MS });
  const [said, setSaid] = useState<string | null>(null);
  if (channel === null) {
    return error === null ? <Loading what="the channel" /> : <Missing id={id} error={error} isAdmin={isAdmin} />;
  }
  const onDone = (words: string): void => {
    setSaid(words);
    reload();
  };
  return (
    <>
      {error !== null && <Failure error={error} retry={reload} />}
      <Card class="stack" title={channel.name}>
        <ChannelState channel={channel} />
        <p class="muted">{takesText(channel.subscriptions)}</p>
        <Unsubscribed channel={channel} />
        <Facts channel={channel} />
        {isAdmin && <Actions channel={channel} onDone={onDone} />}
        <div role="status" class="said">
          {said !== null && <Note tone="good" title={said} />}
        </div>
      </Card>
      {isAdmin && <Change channel={channel} onDone={onDone} />}
      <Card
        title="What went there"
        aside={<a href={placeOf('deliveries', null, { channel_id: id })}>Find a delivery</a>}
      >
        <DeliveryList query={{ channel_id: id }} isAdmin={isAdmin} none="Nothing went there yet." />
      </Card>
    </>
  );
}

function Missing({ id, error, isAdmin }: { id: string; error: Error; isAdmin: boolean }) {
  if (!(error instanceof ApiError) || error.problem.status !== 404) return <Failure error={error} />;
  return (
    <>
      <Note title="There is no such channel.">
        <p>It may be deleted, or the address cut off.</p>
        <a href={placeOf('channels')}>See the channels</a>
      </Note>
      <Card title="What went there">
        <DeliveryList query={{ channel_id: id }} isAdmin={isAdmin} none="Nothing went there." />
      </Card>
    </>
  );
}

function Facts({ channel: { to, created_at: createdAt, subscriptions } }: { channel: Channel }) {
  const connections = subscriptions.connections ?? [];
  return (
    <dl class="facts">
      {to.length > 0 && (
        <>
          <dt>Addresses</dt>
          <dd>{to.map(({ address }) => address).join(', ')}</dd>
        </>
      )}
      {connections.length > 0 && (
        <>
          <dt>Connections</dt>
          <dd>
            <ConnectionNames ids={connections} />
          </dd>
        </>
      )}
      <dt>Created</dt>
      <dd>{instant(createdAt)}</dd>
    </dl>
  );
}

function ConnectionNames({ ids }: { ids: readonly string[] }) {
  const { data } = useReply('/v1/connections', { query: { limit: 100 } });
  return (
    <>
      {ids.map((id, index) => (
        <span key={id}>
          {index > 0 && ', '}
          <a href={linkTo(['connections', id])}>{data?.data.find((each) => each.id === id)?.name ?? id}</a>
        </span>
      ))}
    </>
  );
}

function Actions({ channel, onDone }: { channel: Channel; onDone: (words: string) => void }) {
  const { id, name, enabled } = channel;
  const ids = { id };
  const enable = useAction(async (next: boolean) => {
    await ask('patch', '/v1/channels/{id}', { ids, body: { enabled: next } });
    onDone(next ? 'It takes notices from now on.' : 'It takes no notices from now on.');
  });
  const remove = useAction(async () => {
    await ask('delete', '/v1/channels/{id}', { ids });
    go(placeOf('channels'));
  });
  const failed = enable.error ?? remove.error;
  return (
    <div class="row">
      <ChannelTest {...{ id, name }} isEnabled={enabled} />
      {enabled ? (
        <Confirm
          what={`Disable ${name}`}
          why="No notice goes there until somebody enables it, and what waits for it is not sent."
          isBusy={enable.isBusy}
          onConfirm={() => {
            enable.run(false);
          }}
        >
          Disable
        </Confirm>
      ) : (
        <button
          type="button"
          class="primary"
          disabled={enable.isBusy}
          onClick={() => {
            enable.run(true);
          }}
        >
          Enable
        </button>
      )}
      <Confirm
        what={`Delete ${name}`}
        why="Its addresses and secrets are destroyed at once, and what waits for it is not sent. What went there stays in the list of deliveries."
        isBusy={remove.isBusy}
        onConfirm={remove.run}
      >
        Delete
      </Confirm>
      {failed !== null && <ActionFailure error={failed} />}
    </div>
  );
}

function Change({ channel, onDone }: { channel: Channel; onDone: (words: string) => void }) {
  const { id, kind, target, to } = channel;
  const start = draftOf(channel);
  return (
    <Card class="stack" title="Change it">
      {to.some((each) => each.unsubscribed_at !== null) && (
        <p class="muted">
          To mail somebody again who unsubscribed, take the address out and save, then put it back and save again. Ask
          them first.
        </p>
      )}
      <ChannelForm
        // Begins anew with what is stored, once that changed.
        key={JSON.stringify(start)}
        form={id}
        verb="Save"
        send={async (draft, secrets) => {
          await ask('patch', '/v1/channels/{id}', { ids: { id }, body: changeOf(start, draft, secrets) });
          onDone('It is saved.');
        }}
        onGiveUp={null}
        {...{ kind, start, target }}
      />
    </Card>
  );
}
