import { useEffect, useState } from 'preact/hooks';
import { ApiError, ask, SignedOutError, type Reply } from './client.ts';

/** Who uses the page. */
export type Session = Reply<'/v1/session'>;

/**
 * Whether somebody is in. `out`: nobody has entered. `over`: somebody had, and the API no longer accepts the session.
 * `leaving`: somebody signs out, which the API has not confirmed.
 */
type State =
  | { readonly is: 'asking'; readonly error: Error | null }
  | { readonly is: 'leaving'; readonly error: Error | null }
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

function isLimited(error: unknown): boolean {
  return error instanceof ApiError && error.problem.status === 429;
}

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
        // Where others failed to enter too often, a good token still lets in.
        if (thrown instanceof SignedOutError || isLimited(thrown)) setState({ is: 'out' });
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
    const out = (): void => {
      setState({ is: 'out' });
    };
    setState((last) => (last.is === 'leaving' ? last : { is: 'leaving', error: null }));
    ask('delete', '/v1/session').then(out, (thrown: unknown) => {
      if (thrown instanceof SignedOutError) out();
      else {
        setState({ is: 'leaving', error: errorOf(thrown) });
        setTimeout(leave, RETRY_MS);
      }
    });
  };
  return { state, enter: askAgain, leave };
}
