import { useState } from 'preact/hooks';
import { Dialog } from '../../parts/dialog.tsx';
import { csvOf, curlOf, type SpendQuery } from './query.ts';

/** The same query for elsewhere: as a file, and as a command. */
export function TakeAway({ query }: { query: SpendQuery }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="row">
      <a class="button" href={csvOf(query)} download>
        CSV
      </a>
      <button
        type="button"
        onClick={() => {
          setOpen(true);
        }}
      >
        Copy as curl
      </button>
      {isOpen && (
        <Curl
          text={curlOf(query, location.origin)}
          onClose={() => {
            setOpen(false);
          }}
        />
      )}
    </div>
  );
}

function Curl({ text, onClose }: { text: string; onClose: () => void }) {
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
    <Dialog title="The same as a command" onClose={onClose}>
      <p class="muted">
        For bash or zsh. Put a token of the API into <code>METERLINE_TOKEN</code> first; a viewer’s is enough.
      </p>
      <pre tabindex={0}>{text}</pre>
      <div class="row">
        <button type="button" class="primary" onClick={copy}>
          Copy
        </button>
        <button type="button" onClick={onClose}>
          Close
        </button>
        <span role="status">{said}</span>
      </div>
    </Dialog>
  );
}
