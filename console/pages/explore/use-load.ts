import { useEffect, useRef, useState } from 'preact/hooks';
import { onSignedOut } from '../../client/session.ts';
import { isPassing } from '../../client/use-reply.ts';

/** What a load gave. While the next one runs, `data` is still that of the last one. */
export interface Loaded<T> {
  readonly data: T | null;
  readonly error: Error | null;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

const RETRY_MS = 3_000;

/**
 * Loads something that takes several requests, whenever its key changes; null loads nothing. A load that the next one
 * overtakes is cancelled. It tries again by itself after errors that pass.
 */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>({ data: null, error: null, isLoading: true });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    if (key === null) return;
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    setState((last) => ({ ...last, isLoading: true }));
    latest.current(over.signal).then(
      (data) => {
        if (!over.signal.aborted) setState({ data, error: null, isLoading: false });
      },
      (error: unknown) => {
        if (over.signal.aborted || onSignedOut(error)) return;
        const failure = error instanceof Error ? error : new Error(String(error));
        setState({ data: null, error: failure, isLoading: false });
        if (!isPassing(failure)) return;
        timer = setTimeout(() => {
          setRound((last) => last + 1);
        }, RETRY_MS);
      },
    );
    return () => {
      over.abort();
      clearTimeout(timer);
    };
  }, [key, round]);
  const reload = (): void => {
    setRound((last) => last + 1);
  };
  return { ...state, reload };
}
