import { z } from 'zod';
import { parseUrl } from '../domain/url.ts';

/** An address without a path, as an origin has it: no slash at its end, and no default port. */
export const publicUrl = z.string().transform((text, context): string => {
  const url = parseUrl(text);
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  // The serialized URL of an address with nothing but an origin is that origin and a slash.
  if (url === null || !isWeb || url.href !== `${url.origin}/` || /[?#]/.test(text)) {
    context.addIssue('must be an https:// or http:// address without credentials, path, query or fragment');
    return z.NEVER;
  }
  return url.origin;
});

/** The address at which programs and browsers on this machine reach a server that listens on a host and a port. */
export function addressOn(host: string, port: number | string): string {
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const address = `http://${name}:${port}`;
  // Some addresses to listen on, such as those of one network card (`fe80::1%eth0`), have no form for browsers.
  return parseUrl(address) !== null ? address : `http://127.0.0.1:${port}`;
}
