import type { ComponentChildren, Ref } from 'preact';

/** A form that this page sends, once `onSend` says how. What is wrong with it is said in our own words. */
export function Form(props: {
  id?: string;
  class?: string;
  children: ComponentChildren;
  box?: Ref<HTMLFormElement>;
  onSend: (form: HTMLFormElement) => void;
}) {
  const { onSend, box = null, ...others } = props;
  return (
    <form
      class="form"
      {...others}
      ref={box}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSend(event.currentTarget);
      }}
    />
  );
}
