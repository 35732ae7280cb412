import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, UnreachableError } from './client.ts';
import { errorOf, onSignedOut } from './session.ts';

/** What a load gave. While the next one runs, and after one that failed, `data` is still that of the last good one. */
export interface Loaded<T> {
  readonly data: T | null;
  readonly error: Error | null;
  readonly isLoading: boolean;
  /** The key that `data` belongs to; null before there is any. */
  readonly of: string | null;
  /** Loads again now. */
  readonly reload: () => void;
}

const RETRY_MS = 3_000;
/** After the API said that it has too much to do. */
const BUSY_MS = 10_000;

/**
 * Loads something when the component appears and whenever its key changes; a null key loads nothing. A load that the next
 * one overtakes is cancelled. After an error that may pass it tries again by itself, so that a page heals. `everyMs` loads
 * again after as many milliseconds, while the page is seen.
 */
export function useLoad<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: number | null = null,
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>(START);
  const [round, setRound] = useState(0);
  const before = useRef(key);
  const latest = useRef(load);
  latest.current = load;
  const reload = (): void => {
    setRound((last) => last + 1);
  };
  useEffect(() => {
    if (key === null) return;
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (afterMs: number): void => {
      timer = setTimeout(() => {
        if (document.hidden) again(afterMs);
        else reload();
      }, afterMs);
    };
    // An error stays while the same is tried again.
    const isSame = before.current === key;
    before.current = key;
    setState((last) => ({ ...last, error: isSame ? last.error : null, isLoading: true }));
    latest.current(over.signal).then(
      (data) => {
        if (over.signal.aborted) return;
        setState({ data, error: null, isLoading: false, of: key });
        if (everyMs !== null) again(everyMs);
      },
      (thrown: unknown) => {
        if (over.signal.aborted || onSignedOut(thrown)) return;
        const error = errorOf(thrown);
        setState((last) => ({ ...last, error, isLoading: false }));
        if (isPassing(error)) again(isBusy(error) ? BUSY_MS : RETRY_MS);
      },
    );
    return () => {
      over.abort();
      clearTimeout(timer);
    };
  }, [key, everyMs, round]);
  return { ...state, isLoading: key !== null && state.isLoading, reload };
}

const START = { data: null, error: null, isLoading: true, of: null };

/** Whether an error may be gone when asked again: nothing answered, or a server behind the API is down. */
function isPassing(error: Error): boolean {
  return (
    error instanceof UnreachableError || isBusy(error) || (error instanceof ApiError && error.problem.status >= 500)
  );
}

function isBusy(error: Error): boolean {
  return error instanceof ApiError && error.problem.status === 429;
}
