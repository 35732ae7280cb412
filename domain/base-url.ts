const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

/** Whether an address is one of this machine. Others that lead here, such as 127.0.0.2, count as foreign. */
export function isLoopback({ hostname }: URL): boolean {
  return LOOPBACK_HOSTS.includes(hostname);
}

const ANTHROPIC_HOST = 'api.anthropic.com';

/** What whoever starts it must know of an address that is not Anthropic's own; null of Anthropic's. */
export function warningOf(address: string): string | null {
  const { host } = new URL(address);
  if (host === ANTHROPIC_HOST) return null;
  return `Admin API keys are sent to ${host}, which ANTHROPIC_BASE_URL names, and not to ${ANTHROPIC_HOST}.`;
}

/**
 * The address that requests to Anthropic go to: https, or http on loopback, with nothing but a host and a path. A path
 * that ends in `/v1`, as other clients want it, loses that: every path that is asked for begins with it. Null for any
 * other text, since what is sent there holds a key, and for a path that cannot be right.
 */
export function toBaseUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
  const isBare = [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (!isSafe || !isBare) return null;
  url.pathname = url.pathname.replace(/(\/v1|\/)*$/, '');
  const isWithinApi =
    /\/v1\/(organizations|messages)(\/|$)/.test(url.pathname) || (url.host === ANTHROPIC_HOST && url.pathname !== '/');
  return isWithinApi ? null : url;
}
