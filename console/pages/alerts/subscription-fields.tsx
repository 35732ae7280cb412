import { useReply } from '../../client/use-reply.ts';
import { faultsAt, Says, type Faults } from '../../parts/field.tsx';
import { KeyChoice } from '../../parts/choice.tsx';
import { Radios } from '../../parts/inputs.tsx';
import { Tick } from '../../parts/tick.tsx';
import type { ChannelDraft } from './channel-draft.ts';
import { keysOf } from '../../format/keys.ts';
import { NOTICE_KINDS } from './words.ts';

interface SubscriptionProps {
  readonly draft: ChannelDraft;
  readonly faults: Faults;
  readonly onChange: (part: Partial<ChannelDraft>) => void;
}

const TAKES = [
  ['all', 'Every notice'],
  ['some', 'Only some'],
] as const;

/** Which notices a channel takes: all, or those of some kinds, urgent enough, about some connections. */
export function SubscriptionFields({ draft, faults, onChange }: SubscriptionProps) {
  const said = faultsAt(faults, 'subscriptions').map(({ message }) => `What it takes ${message}.`);
  return (
    <fieldset class="group" id="channel-takes" aria-describedby="channel-takes-says">
      <legend class="label">Which notices it takes</legend>
      <Radios
        name="takes"
        value={draft.takes}
        options={TAKES}
        onChoose={(takes) => {
          onChange({ takes });
        }}
      />
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

const LEAST = { warning: 'Warnings and worse', critical: 'Critical only' } as const;

function Least({ draft: { least }, onChange }: PartProps) {
  return (
    <KeyChoice
      id="channel-least"
      label="At least as urgent as"
      all="However urgent"
      words={LEAST}
      value={least === 'info' ? null : least}
      onChoose={(chosen) => {
        onChange({ least: chosen });
      }}
    />
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
