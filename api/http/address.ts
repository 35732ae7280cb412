import type { Request } from 'express';
import { z } from 'zod';

const ADDRESS = z.union([z.ipv4(), z.ipv6()]);
/** As some proxies write an address: with a port, and an IPv6 address in brackets. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([\d.:a-f]+)\](?::\d+)?)$/i;

/**
 * The address of the client: the one that the last trusted proxy names, or that of the connection. If the proxy names
 * something else than an address, which the client may have forged, the address of the proxy counts.
 */
export function addressOf(request: Request): string {
  const named = request.ip ?? '';
  const [, ipv4, ipv6] = WITH_PORT.exec(named) ?? [];
  const address = ipv4 ?? ipv6 ?? named;
  return ADDRESS.safeParse(address).success ? address : (request.socket.remoteAddress ?? '');
}
