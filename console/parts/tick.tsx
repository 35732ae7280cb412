/** A box to tick, with what it means. */
export function Tick(props: { name: string; says: string; isTicked: boolean; onTick: (isTicked: boolean) => void }) {
  const { name, says, isTicked, onTick } = props;
  return (
    <label class="tick">
      <input
        type="checkbox"
        checked={isTicked}
        onChange={(event) => {
          onTick(event.currentTarget.checked);
        }}
      />
      <span class="name">
        {name} {says !== '' && <span class="muted small">{says}</span>}
      </span>
    </label>
  );
}
