import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { bareHost, problemWithAddress, type AllowList } from '../../domain/notices/allow-list.ts';
import { parseIp } from '../../domain/notices/ip.ts';

/** Finds the addresses of a host. */
export type Resolver = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** The system's own way. */
export const systemResolver: Resolver = (hostname, options, callback) => {
  systemLookup(hostname, options, callback);
};

/** Nothing is sent to the address of a host. The message names both, and nothing else. */
export class RefusedAddressError extends Error {
  override readonly name = 'RefusedAddressError';
}

function refusalOf(host: string, address: string, problem: string): RefusedAddressError {
  return new RefusedAddressError(
    host === address ? `${host} ${problem}` : `${host} leads to ${address}, which ${problem}`,
  );
}

/**
 * Looks names up for connections, and gives only addresses to which `allow` lets notices go. The connection goes to
 * exactly these: nothing looks the name up again. Fails with {@link RefusedAddressError} if none is left.
 */
export function guardedLookup(allow: AllowList, resolve: Resolver): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const good = found.filter(({ address }) => problemWithAddress(hostname, address, allow) === null);
      const [first] = good;
      if (first === undefined) callback(refusalOfAll(hostname, found, allow), []);
      else if (options.all === true) callback(null, good);
      else callback(null, first.address, first.family);
    });
  };
}

function refusalOfAll(hostname: string, found: readonly LookupAddress[], allow: AllowList): Error {
  const [first] = found;
  if (first === undefined) return Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
  return refusalOf(hostname, first.address, problemWithAddress(hostname, first.address, allow) ?? '');
}

/**
 * Opens connections that go only where `allow` lets notices go. Names are checked by their addresses before connecting,
 * and whatever the name was, the address of the other end is checked once more before anything is written.
 */
export function guardedConnector(allow: AllowList, resolve: Resolver, timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs, lookup: guardedLookup(allow, resolve), maxCachedSessions: 0 });
  return (options, callback) => {
    const host = bareHost(options.hostname);
    const problem = parseIp(host) === null ? null : problemWithAddress(host, host, allow);
    if (problem !== null) {
      callback(refusalOf(host, host, problem), null);
      return;
    }
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      const there = socket.remoteAddress ?? '';
      const refused = problemWithAddress(host, there, allow);
      if (refused === null) {
        callback(null, socket);
        return;
      }
      socket.destroy();
      callback(refusalOf(host, there, refused), null);
    });
  };
}

/**
 * Checks a host that a proxy is asked for, which looks the name up by itself. A name that nobody here knows is left to the
 * proxy. Rejects with {@link RefusedAddressError}.
 */
export async function checkHostForProxy(hostname: string, allow: AllowList, resolve: Resolver): Promise<void> {
  const host = bareHost(hostname);
  const addresses = parseIp(host) === null ? await addressesOf(host, resolve) : [host];
  for (const address of addresses) {
    const problem = problemWithAddress(host, address, allow);
    if (problem !== null) throw refusalOf(host, address, problem);
  }
}

function addressesOf(host: string, resolve: Resolver): Promise<string[]> {
  return new Promise((done) => {
    resolve(host, { all: true }, (error, found) => {
      done(error === null ? found.map(({ address }) => address) : []);
    });
  });
}
