import type { ComponentChildren } from 'preact';
import type { Loaded } from '../client/use-load.ts';
import { Failure, Loading } from './messages.tsx';

/** Stands where a reply will be: it loads, or why it failed. `what` comes after "Loading". */
export function Waiting({
  of: { error, reload },
  what,
}: {
  of: Pick<Loaded<unknown>, 'error' | 'reload'>;
  what: string;
}) {
  return error === null ? <Loading what={what} /> : <Failure error={error} retry={reload} />;
}

/** What a reply shows, or what stands in its place. An error stands above what was there before. */
export function Await<T>(props: {
  of: Pick<Loaded<T>, 'data' | 'error' | 'reload'>;
  what: string;
  children: (data: T) => ComponentChildren;
}) {
  const { of, what, children } = props;
  const { data, error } = of;
  if (data === null) return <Waiting of={of} what={what} />;
  return (
    <>
      {error !== null && <Waiting of={of} what={what} />}
      {children(data)}
    </>
  );
}
