import { useReply } from '../../client/use-reply.ts';
import { faultsAt, Says, type Faults } from '../../parts/field.tsx';
import { Tick } from '../../parts/tick.tsx';
import type { ChannelDraft } from './channel-draft.ts';
import { chosenOf, keysOf } from '../../format/keys.ts';
import { NOTICE_KINDS, SEVERITIES } from './words.ts';

interface SubscriptionProps {
  readonly draft: ChannelDraft;
  readonly faults: Faults;
  readonly onChange: (part: Partial<ChannelDraft>) => void;
}

/** Which notices a channel takes: all, or those of some kinds, urgent enough, about some connections. */
export function SubscriptionFields({ draft, faults, onChange }: SubscriptionProps) {
  const said = faultsAt(faults, 'subscriptions').map(({ message }) => `What it takes ${message}.`);
  return (
    <fieldset class="group" id="channel-takes" aria-describedby="channel-takes-says">
      <legend class="label">Which notices it takes</legend>
      <div class="radios">
        {(['all', 'some'] as const).map((takes) => (
          <label key={takes}>
            <input
              type="radio"
              name="takes"
              checked={draft.takes === takes}
              onChange={() => {
                onChange({ takes });
              }}
            />
            {takes === 'all' ? 'Every notice' : 'Only some'}
          </label>
        ))}
      </div>
      {draft.takes === 'some' && (
        <>
          <Kinds {...{ draft, onChange }} />
          <Least {...{ draft, onChange }} />
          <Connections {...{ draft, onChange }} />
        </>
      )}
      <Says id="channel-takes" faults={said} />
    </fieldset>
  );
}

type PartProps = Omit<SubscriptionProps, 'faults'>;

function Kinds({ draft: { kinds }, onChange }: PartProps) {
  return (
    <fieldset class="group">
      <legend class="label">Of these kinds; tick none for every kind</legend>
      {keysOf(NOTICE_KINDS).map((kind) => (
        <Tick
          key={kind}
          name={NOTICE_KINDS[kind].name}
          says={NOTICE_KINDS[kind].tells}
          isTicked={kinds.includes(kind)}
          onTick={(isTicked) => {
            onChange({
              kinds: keysOf(NOTICE_KINDS).filter((each) => (each === kind ? isTicked : kinds.includes(each))),
            });
          }}
        />
      ))}
    </fieldset>
  );
}

function Least({ draft: { least }, onChange }: PartProps) {
  return (
    <div>
      <label for="channel-least">At least as urgent as</label>
      <select
        id="channel-least"
        class="select"
        value={least ?? ''}
        onChange={(event) => {
          onChange({ least: chosenOf(SEVERITIES, event.currentTarget.value) });
        }}
      >
        <option value="">However urgent</option>
        <option value="warning">Warnings and worse</option>
        <option value="critical">Critical only</option>
      </select>
    </div>
  );
}

function Connections({ draft: { connections }, onChange }: PartProps) {
  const { data } = useReply('/v1/connections', { query: { limit: 100 } });
  const known = data?.data ?? [];
  // Those that the list does not show stay as they are.
  const others = connections.filter((id) => !known.some((each) => each.id === id)).map((id) => ({ id, name: id }));
  const all = [...known, ...others];
  if (all.length === 0) return null;
  return (
    <fieldset class="group tall">
      <legend class="label">About these connections; tick none for every connection</legend>
      {all.map(({ id, name }) => (
        <Tick
          key={id}
          name={name}
          says={known.filter((each) => each.name === name).length > 1 ? id : ''}
          isTicked={connections.includes(id)}
          onTick={(isTicked) => {
            onChange({ connections: isTicked ? [...connections, id] : connections.filter((each) => each !== id) });
          }}
        />
      ))}
    </fieldset>
  );
}
