import { useEffect, useRef, useState } from 'preact/hooks';
import { addressOf, ask, type Query, type Reply } from './client.ts';
import type { paths } from './schema.ts';
import { errorOf, onSignedOut } from './session.ts';

/** A reply on its way, there, or failed. What was there stays while it is asked again. */
export interface Asked<T> {
  readonly data: T | null;
  readonly error: Error | null;
  readonly isLoading: boolean;
  /** Asks again now. */
  readonly reload: () => void;
}

/** What to ask for besides the path. */
export interface Asking {
  readonly ids?: Readonly<Record<string, string>>;
  readonly query?: Query;
  /** Asks again after as many milliseconds, while the page is seen. */
  readonly everyMs?: number | null;
  /** Asks nothing, as long as it is not known what. */
  readonly skip?: boolean;
}

const RETRY_MS = 3_000;

/**
 * Asks a route when the component appears and whenever the address changes. A request that the next one overtakes is
 * cancelled. After an error it asks again by itself, so that a page heals once the API is back.
 */
export function useReply<Path extends keyof paths>(path: Path, asking: Asking = {}): Asked<Reply<Path>> {
  const { ids, query, everyMs = null, skip = false } = asking;
  const address = skip ? null : addressOf(path, ids, query);
  const [state, setState] = useState<Omit<Asked<Reply<Path>>, 'reload'> & { of: string | null }>(START);
  const [round, setRound] = useState(0);
  const latest = useRef(asking);
  latest.current = asking;

  useEffect(() => {
    if (address === null) return;
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (afterMs: number): void => {
      timer = setTimeout(() => {
        if (document.hidden) again(afterMs);
        else setRound((last) => last + 1);
      }, afterMs);
    };
    setState((last) => ({ ...last, isLoading: true }));
    ask('get', path, { ...latest.current, signal: over.signal }).then(
      (data) => {
        if (over.signal.aborted) return;
        setState({ data, error: null, isLoading: false, of: address });
        if (everyMs !== null) again(everyMs);
      },
      (error: unknown) => {
        if (over.signal.aborted) return;
        const failure = errorOf(error);
        if (onSignedOut(failure)) return;
        setState((last) => ({ ...last, error: failure, isLoading: false }));
        if (isPassing(failure)) again(RETRY_MS);
      },
    );
    return () => {
      over.abort();
      clearTimeout(timer);
    };
  }, [address, path, everyMs, round]);

  const reload = (): void => {
    setRound((last) => last + 1);
  };
  // What another address answered must not be taken for the answer to this one.
  const { of, ...asked } = state;
  if (address === null) return { ...START, isLoading: false, reload };
  return of === address || of === null ? { ...asked, reload } : { ...asked, isLoading: true, data: null, reload };
}

const START = { data: null, error: null, isLoading: true, of: null };

/** Whether it may be gone when asked again: nothing answered, or a server behind the API is down. */
export function isPassing(error: Error): boolean {
  if (error.name === 'UnreachableError') return true;
  return 'problem' in error && (error.problem as { status: number }).status >= 500;
}
