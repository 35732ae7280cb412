import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

/** A part of a page under a heading, which is also its name for a screen reader. */
export function Card(props: {
  title: string;
  /** Stands beside the heading. */
  aside?: ComponentChildren;
  /** More classes. */
  class?: string;
  children: ComponentChildren;
}) {
  const { title, aside, class: more = '', children } = props;
  const id = useId();
  return (
    <section class={`card ${more}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
