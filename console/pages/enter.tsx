import { useEffect, useState } from 'preact/hooks';
import { ask } from '../client/client.ts';
import type { Session } from '../client/session.ts';
import { Failure, Loading, Note } from '../parts/messages.tsx';
import { go } from '../route.ts';

/**
 * The way in: by a link that works once, whose token is in the address, or by a token of the API. Neither stays in the
 * address, the browser's history or its storage.
 */
export function Enter(props: { link: string | null; isOver: boolean; onEntered: (session: Session) => void }) {
  const { link, isOver, onEntered } = props;
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState(link !== null);

  const enter = (token: string): void => {
    setBusy(true);
    ask('post', '/v1/session', { body: { token } }).then(
      (session) => {
        if (link !== null) go('#/overview', { replace: true });
        onEntered(session);
      },
      (failure: unknown) => {
        if (link !== null) go('#/', { replace: true });
        setBusy(false);
        setError(failure instanceof Error ? failure : new Error(String(failure)));
      },
    );
  };
  useEffect(() => {
    if (link === null) return;
    // Before it is sent: whoever looks over a shoulder or opens the history sees no token.
    history.replaceState(null, '', '#/enter');
    enter(link);
  }, []);

  if (isBusy && link !== null && error === null) {
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
          <p>Enter again; this page then shows what it showed before.</p>
        </Note>
      )}
      {error !== null && <Failure error={error} title="This did not let you in." />}
      <p>
        On the server, <code>npm run link</code> prints a link that works once. Open it in this browser.
      </p>
      <form
        class="card form"
        onSubmit={(event) => {
          event.preventDefault();
          const field = event.currentTarget.elements.namedItem('token');
          if (!(field instanceof HTMLInputElement) || field.value.trim() === '') return;
          const token = field.value.trim();
          field.value = '';
          enter(token);
        }}
      >
        <div>
          <label for="token">Or a token of the API</label>
          <input id="token" name="token" type="password" autocomplete="off" spellcheck={false} required />
          <p class="hint">It is sent once for a session of at most seven days, and not kept by this page.</p>
        </div>
        <div>
          <button class="primary" type="submit" disabled={isBusy}>
            Enter
          </button>
        </div>
      </form>
    </main>
  );
}
