import { useEffect, useState } from 'preact/hooks';
import { addressOf, ask, type Reply } from './client.ts';
import type { paths } from './schema.ts';
import { errorOf, onSignedOut } from './session.ts';
import { useReply, type Asking } from './use-reply.ts';

interface PageOf<Row> {
  readonly data: readonly Row[];
  readonly next: string | null;
}

/** The rows of a list, page by page. */
export interface List<Row> {
  /** Null until the first page is there. */
  readonly rows: readonly Row[] | null;
  readonly error: Error | null;
  readonly isLoading: boolean;
  /** Asks for the next page; null if there is none. */
  readonly more: (() => void) | null;
  /** Begins again with the first page. */
  readonly reload: () => void;
}

type RowOf<Path extends keyof paths> = Reply<Path> extends PageOf<infer Row> ? Row : never;

/** Reads a list from its first page on. `everyMs` asks for the first page again, as long as no other one is there. */
export function useList<Path extends keyof paths>(path: Path, asking: Asking = {}): List<RowOf<Path>> {
  const [later, setLater] = useState<readonly PageOf<RowOf<Path>>[]>([]);
  const [failure, setFailure] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState(false);
  const everyMs = later.length === 0 ? (asking.everyMs ?? null) : null;
  const first = useReply(path, { ...asking, everyMs });
  const address = addressOf(path, asking.ids, asking.query);
  useEffect(() => {
    setLater([]);
    setFailure(null);
  }, [address]);

  const { data: reply }: { readonly data: unknown } = first;
  const page = reply === null ? null : pageOf<RowOf<Path>>(reply);
  const pages = page === null ? [] : [page, ...later];
  const next = pages.at(-1)?.next ?? null;
  const more = (after: string): void => {
    setBusy(true);
    ask('get', path, { ...asking, query: { ...asking.query, after } })
      .then((data) => {
        setLater([...later, pageOf<RowOf<Path>>(data)]);
        setFailure(null);
      })
      .catch((thrown: unknown) => {
        if (!onSignedOut(thrown)) setFailure(errorOf(thrown));
      })
      .finally(() => {
        setBusy(false);
      });
  };
  return {
    rows: page === null ? null : pages.flatMap(({ data }) => data),
    error: first.error ?? failure,
    isLoading: first.isLoading || isBusy,
    more:
      next === null
        ? null
        : () => {
            more(next);
          },
    reload: () => {
      setLater([]);
      setFailure(null);
      first.reload();
    },
  };
}

/** Only routes of lists are asked for as lists, and their replies are pages. */
function pageOf<Row>(reply: unknown): PageOf<Row> {
  return reply as PageOf<Row>;
}
