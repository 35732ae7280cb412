import type { Request } from 'express';

/**
 * Where a request comes from, by what browsers say and pages cannot forge: from our own pages, from elsewhere, or from a
 * program or a browser that says nothing. Browsers send `Sec-Fetch-Site` only over https and to loopback.
 */
export function originOf(request: Request, publicUrl: string): 'own' | 'foreign' | 'unknown' {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (site === 'same-origin' || origin === new URL(publicUrl).origin) return 'own';
  return origin === undefined && (site === undefined || site === 'none') ? 'unknown' : 'foreign';
}
