const REASON_LENGTH = 300;

/** A field for a reason, which the audit keeps. */
export function ReasonField(props: { label: string; reason: string; onChange: (text: string) => void }) {
  return (
    <label>
      {props.label}
      <textarea
        rows={2}
        maxLength={REASON_LENGTH}
        value={props.reason}
        onInput={(event) => {
          props.onChange(event.currentTarget.value);
        }}
      />
    </label>
  );
}
