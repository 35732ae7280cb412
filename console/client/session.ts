import { useEffect, useState } from 'preact/hooks';
import { ask, SignedOutError, type Reply } from './client.ts';

/** Who uses the page. */
export type Session = Reply<'/v1/session'>;

/** Whether somebody is in. `out`: nobody has entered. `over`: somebody had, and the API no longer accepts the session. */
type State =
  | { readonly is: 'asking'; readonly error: Error | null }
  | { readonly is: 'in'; readonly session: Session }
  | { readonly is: 'out' }
  | { readonly is: 'over' };

const listeners = new Set<() => void>();

/** Whether an error says that the session is over; then the whole page is told. */
export function onSignedOut(error: unknown): boolean {
  if (!(error instanceof SignedOutError)) return false;
  for (const listener of listeners) listener();
  return true;
}

/** What was thrown, as an error. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

const RETRY_MS = 3_000;

/** The session of this browser. Its secret is in a cookie that no script can read. */
export function useSession(): { state: State; enter: () => void; leave: () => void } {
  const [state, setState] = useState<State>({ is: 'asking', error: null });
  const [round, setRound] = useState(0);
  const askAgain = (): void => {
    setRound((last) => last + 1);
  };
  useEffect(() => {
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    ask('get', '/v1/session', { signal: over.signal }).then(
      (session) => {
        setState({ is: 'in', session });
      },
      (thrown: unknown) => {
        if (over.signal.aborted) return;
        if (thrown instanceof SignedOutError) setState({ is: 'out' });
        else {
          setState({ is: 'asking', error: errorOf(thrown) });
          timer = setTimeout(askAgain, RETRY_MS);
        }
      },
    );
    return () => {
      over.abort();
      clearTimeout(timer);
    };
  }, [round]);
  useEffect(() => {
    const end = (): void => {
      setState({ is: 'over' });
    };
    listeners.add(end);
    return () => {
      listeners.delete(end);
    };
  }, []);
  const leave = (): void => {
    // Whatever it answers: when asked again, the API says whether the session is over.
    ask('delete', '/v1/session').then(askAgain, askAgain);
  };
  return { state, enter: askAgain, leave };
}
