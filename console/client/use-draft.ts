import { useState } from 'preact/hooks';

/** What people typed into forms of one kind and have not sent, by the name of the form. It holds no secrets. */
export type Drafts<T> = Map<string, T>;

const all = new Set<Pick<Drafts<unknown>, 'clear'>>();

/** Makes a place for the drafts of one kind of form. */
export function draftsOf<T>(): Drafts<T> {
  const drafts: Drafts<T> = new Map();
  all.add(drafts);
  return drafts;
}

/** Forgets every draft: whoever signs out leaves nothing to the next person. */
export function forgetDrafts(): void {
  for (const drafts of all) drafts.clear();
}

/** What somebody types into a form. */
export interface Drafted<T> {
  readonly draft: T;
  readonly change: (part: Partial<T>) => void;
  /** Forgets it, once it is sent or given up. */
  readonly forget: () => void;
}

/**
 * What stands in the form of this name, at first `start`. It stays in the memory of the page until it is sent or given up,
 * so neither a session that ends nor a look at another page costs it.
 */
export function useDraft<T>(drafts: Drafts<T>, name: string, start: T): Drafted<T> {
  const [draft, setDraft] = useState(() => drafts.get(name) ?? start);
  return {
    draft,
    change: (part) => {
      const next = { ...draft, ...part };
      drafts.set(name, next);
      setDraft(next);
    },
    forget: () => {
      drafts.delete(name);
      setDraft(start);
    },
  };
}
