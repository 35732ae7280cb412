import { useEffect, useRef, useState } from 'preact/hooks';
import { keyVerdict, type KeyVerdict } from './admin-key.ts';

/** The field for a key. The key is in the field alone, never in the state of the page. */
export interface KeyEntry {
  /** What the field's text says about itself. */
  readonly verdict: KeyVerdict;
  readonly look: (text: string) => void;
  /**
   * Takes the key out of the form and empties the field. Null if the text is not to be sent; then the page says why, and
   * the focus is where it can be mended.
   */
  readonly take: (form: HTMLFormElement) => string | null;
}

const NAME = 'admin-key';
const CONSENT = 'send-unusual-key';

/** Looks at what is typed into a {@link KeyField}. */
export function useKeyEntry(): KeyEntry {
  const [verdict, setVerdict] = useState<KeyVerdict>({ kind: 'none' });
  const take = (form: HTMLFormElement): string | null => {
    const field = inputOf(form, NAME);
    if (field === null) return null;
    const found = keyVerdict(field.value);
    setVerdict(found);
    const consent = inputOf(form, CONSENT);
    if (found.kind === 'unusual' && consent?.checked !== true) {
      (consent ?? field).focus();
      return null;
    }
    const key = field.value.trim();
    field.value = '';
    if (found.kind === 'wrong' || found.kind === 'none') {
      field.focus();
      return null;
    }
    setVerdict({ kind: 'none' });
    return key;
  };
  return {
    verdict,
    look: (text) => {
      setVerdict(keyVerdict(text));
    },
    take,
  };
}

function inputOf(form: HTMLFormElement, name: string): HTMLInputElement | null {
  const field = form.elements.namedItem(name);
  return field instanceof HTMLInputElement ? field : null;
}

/** The input of an Admin key with what is said about it before it is sent. */
export function KeyField({ entry, label, autofocus = false }: { entry: KeyEntry; label: string; autofocus?: boolean }) {
  const { verdict, look } = entry;
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (autofocus) input.current?.focus();
  }, []);
  return (
    <div>
      <label for={NAME}>{label}</label>
      <input
        ref={input}
        id={NAME}
        name={NAME}
        type="password"
        autocomplete="off"
        spellcheck={false}
        required
        aria-invalid={verdict.kind === 'wrong'}
        aria-describedby={`${NAME}-says`}
        onInput={(event) => {
          look(event.currentTarget.value);
        }}
      />
      <div id={`${NAME}-says`} aria-live="polite">
        {'message' in verdict ? (
          <p class="fault">{verdict.kind === 'wrong' ? `${verdict.message} Nothing was sent.` : verdict.message}</p>
        ) : (
          <p class="hint">
            {verdict.kind === 'good'
              ? 'This looks like an Admin key.'
              : 'It begins with sk-ant-admin. It leaves this field when you send it, and nobody sees it again.'}
          </p>
        )}
      </div>
      {verdict.kind === 'unusual' && (
        <label class="check">
          <input type="checkbox" name={CONSENT} /> It is a key that reads the organization’s data. Ask Anthropic about
          it.
        </label>
      )}
    </div>
  );
}
