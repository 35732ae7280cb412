import { useState } from 'preact/hooks';
import { Copy } from '../../parts/copy.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { csvOf, curlOf, type SpendQuery } from './query.ts';

/** The same query for elsewhere: as a file, and as a command. */
export function TakeAway({ query }: { query: SpendQuery }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="row">
      <a class="button" href={csvOf(query)} download="">
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
  return (
    <Dialog title="The same as a command" onClose={onClose}>
      <p class="muted">
        For bash or zsh. Put a token of the API into <code>METERLINE_TOKEN</code> first; a viewer’s is enough.
      </p>
      <pre tabindex={0}>{text}</pre>
      <Copy text={text}>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </Copy>
    </Dialog>
  );
}
