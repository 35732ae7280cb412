import { useEffect, useState } from 'preact/hooks';
import { documentOf, type Draft } from './draft.ts';

/** What somebody has not saved yet, by month: a look at another page must not cost it. */
const kept = new Map<string, { readonly draft: Draft; readonly version: number | null }>();

/** Rules that somebody edits. */
export interface Kept {
  readonly draft: Draft;
  readonly isChanged: boolean;
  /** Whether somebody stored another version since it was begun. */
  readonly isOutdated: boolean;
  readonly change: (draft: Draft) => void;
  /** Goes back to what is stored. */
  readonly discard: () => void;
  /** Another number after each {@link discard}. */
  readonly round: number;
}

/** The rules of a month while they are edited, and what was stored to go back to. */
export function useKept(month: string, stored: Draft, version: number | null): Kept {
  const [edited, setEdited] = useState(kept.get(month)?.draft ?? null);
  const [round, setRound] = useState(0);
  const draft = edited ?? stored;
  const isChanged = edited !== null && !isSame(draft, stored);
  const began = kept.get(month);
  const isOutdated = isChanged && began !== undefined && began.version !== version;
  const change = (next: Draft): void => {
    const last = kept.get(month);
    kept.set(month, { draft: next, version: last === undefined ? version : last.version });
    setEdited(next);
  };
  const discard = (): void => {
    kept.delete(month);
    setEdited(null);
    setRound(round + 1);
  };
  useEffect(() => {
    if (!isChanged) {
      kept.delete(month);
      return;
    }
    const hold = (event: BeforeUnloadEvent): void => {
      event.preventDefault();
    };
    addEventListener('beforeunload', hold);
    return () => {
      removeEventListener('beforeunload', hold);
    };
  }, [isChanged]);
  return { draft, isChanged, isOutdated, change, discard, round };
}

function isSame(a: Draft, b: Draft): boolean {
  return JSON.stringify(documentOf(a)) === JSON.stringify(documentOf(b));
}
