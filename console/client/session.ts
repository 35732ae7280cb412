import { useEffect, useState } from 'preact/hooks';
import { ask, SignedOutError, type Reply } from './client.ts';

/** Who uses the page. */
export type Session = Reply<'/v1/session'>;

/** `out`: nobody has entered. `over`: somebody had, and the API no longer accepts it. */
type State = 'asking' | 'out' | 'in' | 'over';

const listeners = new Set<() => void>();

/** Whether an error says that the session is over; then the whole page is told. */
export function onSignedOut(error: unknown): boolean {
  if (!(error instanceof SignedOutError)) return false;
  for (const listener of listeners) listener();
  return true;
}

const RETRY_MS = 3_000;

/** The session of this browser. Its secret is in a cookie that no script can read. */
export function useSession(): {
  state: State;
  session: Session | null;
  error: Error | null;
  enter: (session: Session) => void;
  leave: () => void;
} {
  const [state, setState] = useState<State>('asking');
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    ask('get', '/v1/session', { signal: over.signal }).then(
      (found) => {
        setSession(found);
        setState('in');
        setError(null);
      },
      (failure: unknown) => {
        if (over.signal.aborted) return;
        if (failure instanceof SignedOutError) setState('out');
        else {
          setError(failure instanceof Error ? failure : new Error(String(failure)));
          timer = setTimeout(() => {
            setRound((last) => last + 1);
          }, RETRY_MS);
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
      setSession(null);
      setState('over');
    };
    listeners.add(end);
    return () => {
      listeners.delete(end);
    };
  }, []);
  const enter = (entered: Session): void => {
    setSession(entered);
    setState('in');
  };
  const leave = (): void => {
    const left = (): void => {
      setSession(null);
      setState('out');
    };
    ask('delete', '/v1/session').then(left, (failure: unknown) => {
      if (failure instanceof SignedOutError) left();
      else setError(failure instanceof Error ? failure : new Error(String(failure)));
    });
  };
  return { state, session, error, enter, leave };
}
