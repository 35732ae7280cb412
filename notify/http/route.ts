import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { isLoopback } from '../../domain/base-url.ts';
import type { AllowList } from '../../domain/notices/allow-list.ts';
import { networkCodeOf, networkSentence, proxyStatusOf } from '../../runtime/network-errors.ts';
import { checkHostForProxy, guardedConnector, RefusedAddressError, type Resolver } from './guard.ts';

/** How long each part of a request may take, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  readonly headersMs: number;
  /** The whole request. It also ends a reply that drips steadily. */
  readonly wholeMs: number;
}

export const TIMEOUTS: Timeouts = { connectMs: 10_000, headersMs: 30_000, wholeMs: 60_000 };
/** The way that requests take. */
export interface Route {
  readonly allow: AllowList;
  readonly resolve: Resolver;
  readonly proxy: { readonly url: string | null; readonly noProxy: string };
  readonly userAgent: string;
  readonly timeouts: Timeouts;
}

/** Opens the way to a host. Each request has connections of its own, so that none is lost to a connection that the other side had left. */
export function dispatcherTo(url: URL, { allow, resolve, proxy, timeouts }: Route): Dispatcher {
  const limits = {
    connect: guardedConnector(allow, resolve, timeouts.connectMs),
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.headersMs,
    maxHeaderSize: 16 * 1024,
  };
  if (isLoopback(url)) return new Agent(limits);
  // Undici reads the environment for each of these that is undefined. A proxy is itself reached without the guard.
  return new EnvHttpProxyAgent({
    ...limits,
    httpProxy: '',
    httpsProxy: proxy.url ?? '',
    noProxy: proxy.noProxy,
  });
}

/** Checks where a proxy would be asked to connect to. Rejects with {@link RefusedAddressError}. */
export async function checkProxied(url: URL, { allow, resolve, proxy }: Route): Promise<void> {
  if (proxy.url !== null && !isLoopback(url)) await checkHostForProxy(url.hostname, allow, resolve);
}

/** Waits for work or for the signal, whichever is first: Undici ignores the signal while it connects. */
export function untilOver<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      reject(new Error('called off'));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', end);
    });
  });
}

/** Why a request came to nothing, in words that name no more of its address than the host. */
export function reasonOf(error: unknown, url: URL): string {
  if (error instanceof RefusedAddressError) return error.message;
  const code = networkCodeOf(error);
  const status = proxyStatusOf(error);
  if (code === 'UND_ERR_ABORTED')
    return `the proxy does not let the request through${status === null ? '' : ` (HTTP ${status})`}`;
  return `${url.hostname}: ${networkSentence(code)}`;
}
