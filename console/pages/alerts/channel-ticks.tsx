import { useReply } from '../../client/use-reply.ts';
import { faultsAt, Says, type Faults } from '../../parts/field.tsx';
import { Tick } from '../../parts/tick.tsx';

/** Which channels something goes to. A deleted one stays until it is unticked. */
export function ChannelTicks(props: {
  legend: string;
  /** Ids. */
  channels: readonly string[];
  faults: Faults;
  onChange: (channels: readonly string[]) => void;
}) {
  const { legend, channels, faults, onChange } = props;
  const { data } = useReply('/v1/channels', { query: { limit: 100 } });
  const known = data?.data ?? [];
  const gone = channels.filter((id) => !known.some((each) => each.id === id));
  const all = [...known, ...(data === null ? [] : gone.map((id) => ({ id, name: 'A deleted channel' })))];
  return (
    <fieldset class="group" aria-describedby="channels-says">
      <legend class="label">{legend}</legend>
      {all.map(({ id, name }) => (
        <Tick
          key={id}
          name={name}
          says=""
          isTicked={channels.includes(id)}
          onTick={(isTicked) => {
            onChange(isTicked ? [...channels, id] : channels.filter((each) => each !== id));
          }}
        />
      ))}
      <Says
        id="channels"
        faults={faultsAt(faults, 'channels').map(({ message }) => `The choice ${message}.`)}
        hint={
          known.length === 0 && data !== null ? 'There is no channel yet: it stands among the notices only.' : undefined
        }
      />
    </fieldset>
  );
}
