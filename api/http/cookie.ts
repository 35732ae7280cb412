import type { Request } from 'express';
import { isWholeToken } from '../../db/tokens/secret.ts';

/**
 * The name of the cookie of a deployment at this public address. Cookies ignore ports, so the name has the port: two
 * deployments on one host must not overwrite each other's sessions. On https the browser accepts a name with `__Host-` only
 * from this very host.
 */
export function cookieName(publicUrl: string): string {
  const { protocol, port } = new URL(publicUrl);
  const isSecure = protocol === 'https:';
  return `${isSecure ? '__Host-' : ''}meterline-${port === '' ? (isSecure ? '443' : '80') : port}`;
}

/** The header that gives a browser its session for as long as it may last. */
export function sessionCookie(publicUrl: string, secret: string, endsAt: Date): string {
  const maxAge = Math.max(0, Math.floor((endsAt.getTime() - Date.now()) / 1000));
  return cookie(publicUrl, secret, maxAge);
}

/** The header that makes a browser forget its session. */
export function noSessionCookie(publicUrl: string): string {
  return cookie(publicUrl, '', 0);
}

function cookie(publicUrl: string, value: string, maxAge: number): string {
  const secure = publicUrl.startsWith('https:') ? '; Secure' : '';
  return `${cookieName(publicUrl)}=${value}; Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${secure}`;
}

/** The secret of the session in a request's cookie; null without one, and with several, of which somebody planted one. */
export function sessionSecret(request: Request, publicUrl: string): string | null {
  const prefix = `${cookieName(publicUrl)}=`;
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const [secret, ...others] = pairs.filter((pair) => pair.startsWith(prefix)).map((pair) => pair.slice(prefix.length));
  return secret !== undefined && others.length === 0 && isWholeToken(secret, 'session') ? secret : null;
}
