import { useEffect, useState } from 'preact/hooks';
import { ask } from '../client/client.ts';
import { errorOf } from '../client/session.ts';
import { Failure, Loading, Note } from '../parts/messages.tsx';
import { go } from '../route.ts';

/**
 * The way in: by a link that works once, whose token is in the address, or by a token of the API. Neither stays in the
 * address, the browser's history or its storage.
 */
export function Enter(props: { link: string | null; isOver: boolean; onEntered: () => void }) {
  const { link, isOver, onEntered } = props;
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState((link ?? '') !== '');
  const enter = (token: string): void => {
    setBusy(true);
    ask('post', '/v1/session', { body: { token } }).then(onEntered, (thrown: unknown) => {
      setBusy(false);
      setError(errorOf(thrown));
    });
  };
  useEffect(() => {
    if (link === null || link === '') return;
    // Before it is sent: the address and the history must not show it.
    go('#/overview', { replace: true });
    enter(link);
  }, [link]);
  if (isBusy && error === null) {
    return (
      <main class="alone">
        <Loading what="the console" />
      </main>
    );
  }
  return (
    <main class="alone stack">
      <h1>Meterline</h1>
      {isOver && error === null && (
        <Note tone="warn" title="Your session is over." role="status">
          <p>Enter again, and this page shows what it showed before.</p>
        </Note>
      )}
      {error !== null && <Failure error={error} title="This did not let you in." />}
      <p>
        On the server, <code>npm run link</code> prints a link that works once. Open it in this browser.
      </p>
      <TokenForm isBusy={isBusy} onToken={enter} />
    </main>
  );
}

function TokenForm({ isBusy, onToken }: { isBusy: boolean; onToken: (token: string) => void }) {
  return (
    <form
      class="card form"
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('token');
        if (!(field instanceof HTMLInputElement)) return;
        const token = field.value.trim();
        field.value = '';
        if (token !== '') onToken(token);
      }}
    >
      <div>
        <label for="token">Or paste a token of the API</label>
        <input id="token" name="token" type="password" autocomplete="off" spellcheck={false} required />
        <p class="hint">It is sent once, for a session of at most seven days. This page does not keep it.</p>
      </div>
      <div>
        <button class="primary" type="submit" disabled={isBusy}>
          Enter
        </button>
      </div>
    </form>
  );
}
