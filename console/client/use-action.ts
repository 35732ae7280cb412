import { useState } from 'preact/hooks';
import { errorOf, onSignedOut } from './session.ts';

/** Something that a person can make happen. */
export interface Action<Arguments extends unknown[]> {
  readonly run: (...args: Arguments) => void;
  readonly isBusy: boolean;
  /** Why the last run failed; null after a good one. */
  readonly error: Error | null;
}

/** Runs one request after the other that changes something; while one runs, another click does nothing. */
export function useAction<Arguments extends unknown[]>(
  act: (...args: Arguments) => Promise<unknown>,
): Action<Arguments> {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const run = (...args: Arguments): void => {
    if (isBusy) return;
    setBusy(true);
    setError(null);
    act(...args)
      .catch((thrown: unknown) => {
        if (!onSignedOut(thrown)) setError(errorOf(thrown));
      })
      .finally(() => {
        setBusy(false);
      });
  };
  return { run, isBusy, error };
}
