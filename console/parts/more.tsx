import type { List } from '../client/use-list.ts';

/** Asks for the next page of a list; nothing at its end. */
export function More({ list }: { list: Pick<List<unknown>, 'more' | 'isLoading'> }) {
  if (list.more === null) return null;
  return (
    <button type="button" disabled={list.isLoading} onClick={list.more}>
      More
    </button>
  );
}
