/** What the lists of rules and pools share: which are open, what is said, and where the focus goes next. */
export interface Desk {
  readonly open: readonly string[];
  readonly setOpen: (open: readonly string[]) => void;
  /** Tells people who do not see the list what happened in it. */
  readonly say: (text: string) => void;
  /** The first of these selectors that can have the focus gets it. */
  readonly focusNext: (...selectors: readonly string[]) => void;
}

/** What can be done with a rule or a pool in its list. */
export interface ItemActions {
  readonly onToggle: () => void;
  /** −1 for up, 1 for down. */
  readonly onMove: (by: -1 | 1) => void;
  readonly onRemove: () => void;
}

/** What can be done with one item of a list. */
export function actionsOf<Item extends { readonly key: string }>(
  { open, setOpen, say, focusNext }: Desk,
  kind: string,
  list: readonly Item[],
  index: number,
  name: string,
  set: (list: readonly Item[]) => void,
): ItemActions {
  const key = list[index]?.key ?? '';
  const what = `The ${kind} ${name}`;
  return {
    onToggle: () => {
      setOpen(open.includes(key) ? open.filter((each) => each !== key) : [...open, key]);
    },
    onMove: (by) => {
      set(moved(list, index, by));
      say(`${what} is now ${index + by + 1} of ${list.length}.`);
      focusNext(...(by < 0 ? ['up', 'down'] : ['down', 'up']).map((way) => `[data-at="${key}-${way}"]`));
    },
    onRemove: () => {
      set(list.filter((each) => each.key !== key));
      say(`${what} is removed.`);
      const neighbour = list[index + 1] ?? list[index - 1];
      focusNext(`[data-at="${neighbour?.key ?? ''}-edit"]`, `[data-at="add-${kind}"]`, 'button');
    },
  };
}

/** A list with one of its items a place further up or down. */
function moved<T>(list: readonly T[], index: number, by: -1 | 1): T[] {
  const next = [...list];
  const [item] = next.splice(index, 1);
  if (item !== undefined) next.splice(index + by, 0, item);
  return next;
}
