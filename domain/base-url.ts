import { parseUrl } from './url.ts';

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

/** Whether an address is loopback. Less common spellings, such as 127.0.0.2, do not count. */
export function isLoopback({ hostname }: URL): boolean {
  return LOOPBACK_HOSTS.includes(hostname);
}

const ANTHROPIC_HOST = 'api.anthropic.com';

/** A warning for an address that is not Anthropic's own; null for Anthropic's. */
export function warningOf(address: string): string | null {
  const { host } = new URL(address);
  if (host === ANTHROPIC_HOST) return null;
  return `ANTHROPIC_BASE_URL sends Admin API keys to ${host} instead of ${ANTHROPIC_HOST}.`;
}

/**
 * The base address of requests to Anthropic: https, or http on loopback, with only a host and a path, because every
 * request carries a key. `/v1` at the end of the path, which other clients expect, is dropped: each request path begins
 * with it. Null for any other text and for paths that cannot be right.
 */
export function toBaseUrl(text: string): URL | null {
  const url = parseUrl(text);
  if (url === null) return null;
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
  const isBare = [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (!isSafe || !isBare) return null;
  url.pathname = url.pathname.replace(/(\/v1|\/)*$/, '');
  const isWithinApi =
    /\/v1\/(organizations|messages)(\/|$)/.test(url.pathname) || (url.host === ANTHROPIC_HOST && url.pathname !== '/');
  return isWithinApi ? null : url;
}
