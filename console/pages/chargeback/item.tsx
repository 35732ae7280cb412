import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { ItemActions } from './item-actions.ts';
import type { Remark } from './use-preview.ts';

interface ItemProps {
  /** `rule` or `pool`. */
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly says: ComponentChildren;
  readonly index: number;
  readonly count: number;
  readonly remarks: readonly Remark[];
  readonly isOpen: boolean;
  /** Null for whoever may only read. */
  readonly actions: ItemActions | null;
  /** The form, which shows while the item is open. */
  readonly children?: ComponentChildren;
}

/** A rule or a pool of an ordered list: a sentence, what can be done, and what is wrong with it. */
export function Item(props: ItemProps) {
  const { kind, id, name, says, index, isOpen, actions } = props;
  const own = props.remarks.filter(({ key }) => key === id);
  const isWrong = own.some(({ isFault }) => isFault);
  return (
    <li class={`item ${isWrong ? 'wrong' : ''} ${isOpen ? 'open' : ''}`} data-item={id}>
      <span class="place num" aria-hidden="true">
        {index + 1}
      </span>
      <div class="says">
        <strong>{name === '' ? `A new ${kind}` : name}</strong>
        <div class="muted">{says}</div>
      </div>
      {actions !== null && <Tools {...props} actions={actions} />}
      {isOpen && actions !== null && <div class="edits stack">{props.children}</div>}
      {own.length > 0 && (
        <ul class="remarks">
          {own.map(({ message, isFault }) => (
            <li key={message} class={isFault ? 'fault' : 'warning'}>
              {isFault ? message : `Look again: ${message}`}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

function Tools({ kind, id, name, index, count, isOpen, actions }: ItemProps & { actions: ItemActions }) {
  const what = name === '' ? `the new ${kind}` : `the ${kind} ${name}`;
  return (
    <div class="tools">
      <button type="button" class="small" aria-expanded={isOpen} data-at={`${id}-edit`} onClick={actions.onToggle}>
        {isOpen ? 'Done' : 'Edit'}
        <span class="hidden">{` ${what}`}</span>
      </button>
      <button
        type="button"
        class="small"
        disabled={index === 0}
        data-at={`${id}-up`}
        aria-label={`Move ${what} up`}
        onClick={() => {
          actions.onMove(-1);
        }}
      >
        ↑
      </button>
      <button
        type="button"
        class="small"
        disabled={index === count - 1}
        data-at={`${id}-down`}
        aria-label={`Move ${what} down`}
        onClick={() => {
          actions.onMove(1);
        }}
      >
        ↓
      </button>
      <button type="button" class="small" aria-label={`Remove ${what}`} onClick={actions.onRemove}>
        ×
      </button>
    </div>
  );
}

/** Moves the focus within an element after the next change: the button that had it may be gone, or do nothing any more. */
export function useFocusNext() {
  const box = useRef<HTMLDivElement>(null);
  const next = useRef<readonly string[]>([]);
  useEffect(() => {
    for (const selector of next.current) {
      const found = box.current?.querySelector<HTMLElement>(`${selector}:not([disabled])`);
      if (found == null) continue;
      found.focus();
      // Until then it is for a change that is not on the page yet.
      next.current = [];
      break;
    }
  });
  return {
    box,
    /** The first of these that can have the focus gets it. */
    focusNext: (...selectors: readonly string[]): void => {
      next.current = selectors;
    },
  };
}
