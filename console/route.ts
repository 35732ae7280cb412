import { useEffect, useState } from 'preact/hooks';

/**
 * Where a person is: the part of the address after `#`. It never reaches a server, so no log of a proxy has it. The path
 * names the page, the query what the page shows.
 */
export interface Route {
  /** As `['connections', '<id>']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** The route of an address's fragment, such as `#/explore?report=costs`. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  return { path: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The fragment for a page and a query, for links. */
export function linkTo(path: readonly string[], search = ''): string {
  const place = path.map(encodeURIComponent).join('/');
  return search === '' ? `#/${place}` : `#/${place}?${search}`;
}

/** The route now; the component follows it. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = (): void => {
      setHash(location.hash);
    };
    addEventListener('hashchange', follow);
    // A page within may have gone elsewhere before this listened.
    follow();
    return () => {
      removeEventListener('hashchange', follow);
    };
  }, []);
  return routeOf(hash);
}

/** Goes to another place. `replace` leaves no step in the browser's history. */
export function go(link: string, { replace = false }: { replace?: boolean } = {}): void {
  if (!replace) {
    location.hash = link;
    return;
  }
  history.replaceState(null, '', link);
  dispatchEvent(new HashChangeEvent('hashchange'));
}
