import { addressOf, ask, type Query, type Reply } from './client.ts';
import type { paths } from './schema.ts';
import { useLoad, type Loaded } from './use-load.ts';

/** What to ask for besides the path. */
export interface Asking {
  readonly ids?: Readonly<Record<string, string>>;
  readonly query?: Query;
  /** Asks again after as many milliseconds, while the page is seen. */
  readonly everyMs?: number | null;
  /** Asks nothing, as long as it is not known what. */
  readonly skip?: boolean;
}

/** Asks a route, as {@link useLoad} loads. The answer to another address is not taken for the answer to this one. */
export function useReply<Path extends keyof paths>(path: Path, asking: Asking = {}): Loaded<Reply<Path>> {
  const { ids, query, everyMs = null, skip = false } = asking;
  const address = skip ? null : addressOf(path, ids, query);
  const loaded = useLoad(address, (signal) => ask('get', path, { ...asking, signal }), everyMs);
  if (address !== null && loaded.of === address) return loaded;
  return { ...loaded, data: null, isLoading: address !== null && loaded.error === null };
}
