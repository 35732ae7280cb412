import { useEffect, useState } from 'preact/hooks';
import { ApiError, ask, SignedOutError } from '../client/client.ts';
import { errorOf } from '../client/session.ts';
import { Failure, Loading, Note } from '../parts/messages.tsx';
import { go } from '../route.ts';

/**
 * The way in: by a link that works once, whose token is in the address, or by a token of the API. Neither stays in the
 * address, the browser's history or its storage.
 */
export function Enter(props: {
  link: string | null;
  isOver: boolean;
  /** Who is in already, in this browser. */
  inAs: string | null;
  onEntered: () => void;
}) {
  const { link, isOver, inAs, onEntered } = props;
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState((link ?? '') !== '');
  const enter = (token: string): void => {
    setBusy(true);
    setError(null);
    begin(token).then(onEntered, (thrown: unknown) => {
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
  if (isBusy) {
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
      {error !== null && <Refusal error={error} />}
      {inAs !== null && (
        <div>
          <button type="button" class="primary" onClick={onEntered}>{`Go on as ${inAs}`}</button>
        </div>
      )}
      <p>
        On the server, <code>npm run link</code> prints a link that works once. Open it in this browser.
      </p>
      <TokenForm onToken={enter} />
    </main>
  );
}

/** Begins a session, and checks that the browser sends it. Throws {@link SignedOutError} if it does not. */
async function begin(token: string): Promise<void> {
  await ask('post', '/v1/session', { body: { token } });
  await ask('get', '/v1/session');
}

function Refusal({ error }: { error: Error }) {
  if (error instanceof SignedOutError) {
    return (
      <Note tone="bad" title="This browser did not keep the session." role="alert">
        <p>
          It may refuse cookies, or another page on this host has put one in the way: delete the cookies of this site.
          If METERLINE_PUBLIC_URL is set, open that very address, with https if it says so.
        </p>
      </Note>
    );
  }
  if (error instanceof ApiError && error.problem.status === 401) {
    return (
      <Note tone="bad" title="This did not let you in." role="alert">
        <p>{error.problem.detail}</p>
        <p>A token must be whole, and neither revoked nor expired.</p>
      </Note>
    );
  }
  return <Failure error={error} title="This did not let you in." />;
}

function TokenForm({ onToken }: { onToken: (token: string) => void }) {
  const [fault, setFault] = useState<string | null>(null);
  return (
    <form
      class="card form"
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('token');
        if (!(field instanceof HTMLInputElement)) return;
        const token = field.value.trim();
        field.value = '';
        const isKey = token.startsWith('sk-ant-');
        setFault(isKey ? 'This is a key of Anthropic. It was not sent: it belongs on the page Connect.' : null);
        if (token !== '' && !isKey) onToken(token);
      }}
    >
      <div>
        <label for="token">Or paste a token of the API</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby="token-says"
        />
        <div id="token-says" aria-live="polite">
          {fault !== null && <p class="fault">{fault}</p>}
          <p class="hint">It is sent once, for a session of at most seven days. This page does not keep it.</p>
        </div>
      </div>
      <div>
        <button class="primary" type="submit">
          Enter
        </button>
      </div>
    </form>
  );
}
