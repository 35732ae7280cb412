import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

/** A button that copies a text and says whether it did, in a row with other buttons. */
export function Copy({ text, children }: { text: string; children?: ComponentChildren }) {
  const [said, setSaid] = useState('');
  const copy = (): void => {
    // A page without https has no clipboard to write to; the text can still be selected.
    const clipboard = 'clipboard' in navigator ? navigator.clipboard : null;
    if (clipboard === null) {
      setSaid('This browser does not copy on a page without https. Select the text.');
      return;
    }
    clipboard.writeText(text).then(
      () => {
        setSaid('Copied.');
      },
      () => {
        setSaid('This browser did not copy it. Select the text.');
      },
    );
  };
  return (
    <div class="row">
      <button type="button" class="primary" onClick={copy}>
        Copy
      </button>
      {children}
      <span role="status">{said}</span>
    </div>
  );
}
