import type { Request } from 'express';
import { z } from 'zod';

const ADDRESS = z.union([z.ipv4(), z.ipv6()]);
/** As some proxies write it: with a port, and an IPv6 address in brackets then. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([\d.:a-f]+)\](?::\d+)?)$/i;

/**
 * Where a request comes from: the address that the last trusted proxy names, or that of the connection. What a proxy
 * names and is no address is text of somebody's choosing, so the proxy's own address stands for it.
 */
export function addressOf(request: Request): string {
  const named = request.ip ?? '';
  const [, ipv4, ipv6] = WITH_PORT.exec(named) ?? [];
  const address = ipv4 ?? ipv6 ?? named;
  return ADDRESS.safeParse(address).success ? address : (request.socket.remoteAddress ?? '');
}
