import { useState } from 'preact/hooks';
import { documentOf, type Draft } from './draft.ts';
import { readDraft, ShapeError } from './read-draft.ts';

/** The document as text, for whoever prefers it. What cannot be read changes nothing. */
export function JsonEditor({ draft, onChange }: { draft: Draft; onChange: (draft: Draft) => void }) {
  const [text, setText] = useState(() => JSON.stringify(documentOf(draft), null, 2));
  const [fault, setFault] = useState<string | null>(null);
  return (
    <div>
      <label for="json">The document, as PUT /v1/allocation takes it</label>
      <textarea
        id="json"
        class="code"
        rows={24}
        spellcheck={false}
        aria-invalid={fault !== null}
        aria-describedby="json-says"
        value={text}
        onInput={(event) => {
          const { value } = event.currentTarget;
          setText(value);
          try {
            onChange(readDraft(JSON.parse(value)));
            setFault(null);
          } catch (error) {
            if (!(error instanceof ShapeError) && !(error instanceof SyntaxError)) throw error;
            setFault(error instanceof ShapeError ? error.message : 'This is not JSON yet.');
          }
        }}
      />
      <div id="json-says" aria-live="polite">
        {fault === null ? (
          <p class="hint">The month from which on it is in force is beside it, not in it.</p>
        ) : (
          <p class="fault">{`${fault} The form and the preview keep the last document that could be read.`}</p>
        )}
      </div>
    </div>
  );
}
