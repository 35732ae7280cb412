import type { ComponentChildren } from 'preact';
import type { Loaded } from '../client/use-load.ts';
import { Failure, Loading } from './messages.tsx';

/** What a reply shows; until it is there, that it loads or why it failed. An error stands above what was there before. */
export function Await<T>(props: {
  of: Pick<Loaded<T>, 'data' | 'error' | 'reload'>;
  /** What loads, after "Loading". */
  what: string;
  children: (data: T) => ComponentChildren;
}) {
  const { of, what, children } = props;
  const { data, error, reload } = of;
  return (
    <>
      {error !== null && <Failure error={error} retry={reload} />}
      {data === null ? error === null && <Loading what={what} /> : children(data)}
    </>
  );
}
