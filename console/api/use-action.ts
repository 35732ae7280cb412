import { useState } from 'preact/hooks';
import { ApiError, SignedOutError } from './client.ts';
import { onSignedOut } from './session.ts';

/** Something that a person asked for: on its way, done or failed. */
export interface Action {
  readonly isBusy: boolean;
  readonly error: Error | null;
  /** Does it, and forgets the error of the last time. Nothing happens while it is busy. */
  readonly run: (request: () => Promise<void>) => void;
  /** Forgets the error. */
  readonly clear: () => void;
}

/** Runs requests that change something, one at a time. */
export function useAction(): Action {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const run = (request: () => Promise<void>): void => {
    if (isBusy) return;
    setBusy(true);
    setError(null);
    request().then(
      () => {
        setBusy(false);
      },
      (failure: unknown) => {
        setBusy(false);
        // A POST may answer 401 for another reason to whoever has no session; here there is one.
        const isOver = failure instanceof ApiError && failure.problem.status === 401;
        if (onSignedOut(isOver ? new SignedOutError() : failure)) return;
        setError(failure instanceof Error ? failure : new Error(String(failure)));
      },
    );
  };
  const clear = (): void => {
    setError(null);
  };
  return { isBusy, error, run, clear };
}
