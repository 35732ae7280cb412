import { useState } from 'preact/hooks';

/** Where somebody is in a list of pages, whose first one has the newest rows. */
export interface Pages {
  /** The `after` of this page; null on the first one. */
  readonly after: string | null;
  readonly number: number;
  readonly forward: (next: string) => void;
  readonly back: () => void;
}

/** Walks the pages of a list. With another `of` it begins at the first page again. */
export function usePages(of = ''): Pages {
  const [walked, setWalked] = useState<{ of: string; trail: readonly string[] }>({ of, trail: [] });
  const trail = walked.of === of ? walked.trail : [];
  return {
    after: trail.at(-1) ?? null,
    number: trail.length + 1,
    forward: (next) => {
      setWalked({ of, trail: [...trail, next] });
    },
    back: () => {
      setWalked({ of, trail: trail.slice(0, -1) });
    },
  };
}

/** The buttons between pages. Nothing if there is one page only. */
export function Pager({ pages, next, what }: { pages: Pages; next: string | null; what: string }) {
  if (pages.number === 1 && next === null) return null;
  return (
    <nav class="row pager" aria-label={`Pages of ${what}`}>
      <button type="button" disabled={pages.number === 1} onClick={pages.back}>
        <span aria-hidden="true">← </span>Newer
      </button>
      <span class="muted" role="status">{`Page ${pages.number}`}</span>
      <button
        type="button"
        disabled={next === null}
        onClick={() => {
          if (next !== null) pages.forward(next);
        }}
      >
        Older<span aria-hidden="true"> →</span>
      </button>
    </nav>
  );
}
