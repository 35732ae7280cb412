import { ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useList } from '../../client/use-list.ts';
import { distance, instant } from '../../format/days.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Badge } from '../../parts/messages.tsx';
import { soon } from '../../parts/standing.ts';
import type { ListProps } from './lists.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';

type Key = Schema<'Key'>;

const PAGE = 20;
const STATES: Readonly<
  Record<Key['state'], { readonly words: string; readonly tone: 'plain' | 'good' | 'warn' | 'bad' }>
> = {
  candidate: { words: 'Waits for its verdict', tone: 'warn' },
  active: { words: 'Active', tone: 'good' },
  superseded: { words: 'Replaced, kept until a sync succeeds', tone: 'plain' },
  refused: { words: 'Refused', tone: 'bad' },
  destroyed: { words: 'Destroyed', tone: 'plain' },
};
const ENDS: Readonly<Record<NonNullable<Key['end_reason']>, string>> = {
  replaced: 'A sync succeeded with its replacement.',
  overtaken: 'Anthropic accepted a later key first.',
  unused: 'Nobody asked to use it in time.',
  discarded: 'Somebody discarded it.',
  connection_ended: 'Its connection ended.',
};

/** The keys, newest first, by their last four characters, and what became of them. */
export function KeyList({ id, everyMs, isAdmin }: ListProps) {
  const list = useList('/v1/connections/{id}/keys', {
    ids: { id },
    query: { limit: PAGE },
    everyMs,
  });
  const { isBusy, error, run } = useAction(async (keyId: string) => {
    await ask('delete', '/v1/connections/{id}/keys/{keyId}', { ids: { id, keyId } });
    list.reload();
  });
  return (
    <>
      {error !== null && <ActionFailure error={error} />}
      <ListFrame
        list={list}
        what="keys"
        none="It never had a key."
        heads={['Key', 'State', 'Added', 'Last used']}
        row={(key: Key) => (
          <tr key={key.id}>
            <th scope="row">{`Ends in ${key.hint}`}</th>
            <td>
              <Badge tone={STATES[key.state].tone}>{STATES[key.state].words}</Badge>
              {notesOf(key).map((note) => (
                <p key={note} class="small">
                  {note}
                </p>
              ))}
              {isAdmin && key.state === 'candidate' && (
                <button
                  type="button"
                  class="small"
                  disabled={isBusy}
                  aria-label={`Discard the key that ends in ${key.hint}`}
                  onClick={() => {
                    run(key.id);
                  }}
                >
                  Discard
                </button>
              )}
            </td>
            <td>{instant(key.added_at)}</td>
            <td>{key.last_used_at === null ? 'Never' : instant(key.last_used_at)}</td>
          </tr>
        )}
      />
    </>
  );
}

function notesOf({ state, error, end_reason, ended_at, next_try_at, requested_at, expires_at }: Key): string[] {
  return [
    ...(error === null ? [] : [error.message]),
    ...(end_reason === null ? [] : [ENDS[end_reason]]),
    ...(ended_at === null ? [] : [`Since ${instant(ended_at)}.`]),
    ...(next_try_at === null ? [] : [`Meterline asks about it again ${soon(next_try_at)}.`]),
    ...(state === 'candidate' && requested_at === null ? ['Nobody asked to use it yet.'] : []),
    ...(state === 'candidate' && expires_at !== null
      ? [`Without a request it is destroyed ${distance(expires_at)}.`]
      : []),
  ];
}
