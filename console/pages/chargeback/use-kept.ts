import { useEffect, useState } from 'preact/hooks';
import { documentOf, type Draft } from './draft.ts';

/** What somebody has not saved yet, by month: a look at another page must not cost it. */
const kept = new Map<string, Draft>();

/** Rules that somebody edits. */
export interface Kept {
  readonly draft: Draft;
  readonly isChanged: boolean;
  readonly change: (draft: Draft) => void;
  /** Goes back to what is stored. */
  readonly discard: () => void;
  /** Another number after each {@link discard}. */
  readonly round: number;
}

/** The rules of a month while they are edited, and what was stored to go back to. */
export function useKept(month: string, stored: Draft): Kept {
  const [edited, setEdited] = useState(kept.get(month) ?? null);
  const [round, setRound] = useState(0);
  const draft = edited ?? stored;
  const isChanged = edited !== null && !isSame(draft, stored);
  const change = (next: Draft): void => {
    kept.set(month, next);
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
  return { draft, isChanged, change, discard, round };
}

function isSame(a: Draft, b: Draft): boolean {
  return JSON.stringify(documentOf(a)) === JSON.stringify(documentOf(b));
}
