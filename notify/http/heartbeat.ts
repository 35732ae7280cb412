import { problemWithUrl } from '../../domain/notices/targets.ts';
import { deadline } from '../delivery.ts';
import { systemResolver } from './guard.ts';
import { checkProxied, dispatcherTo, reasonOf, untilOver, type Route } from './route.ts';

/** How long a heartbeat may take, in milliseconds. */
export const HEARTBEAT_TIMEOUTS: Route['timeouts'] = { connectMs: 10_000, headersMs: 10_000, wholeMs: 10_000 };

/** The settings of {@link askHeartbeat}. */
export type HeartbeatRoute = Omit<Route, 'resolve' | 'timeouts'> & Partial<Pick<Route, 'resolve' | 'timeouts'>>;

/**
 * Asks the address that watches over this deployment, by a GET that carries nothing. It goes only where notices may go,
 * follows no redirect, and reads nothing of the answer but its status. Returns null if the answer is 2xx, or else why the
 * heartbeat was not heard, in words that name no more of the address than its host. Never rejects.
 */
export async function askHeartbeat(
  address: string,
  { resolve = systemResolver, timeouts = HEARTBEAT_TIMEOUTS, ...rest }: HeartbeatRoute,
  signal: AbortSignal,
): Promise<string | null> {
  const route: Route = { ...rest, resolve, timeouts };
  const problem = problemWithUrl(address, route.allow);
  if (problem !== null) return `the address ${problem}`;
  const url = new URL(address);
  const { over, isLate, end } = deadline(timeouts.wholeMs, signal);
  const dispatcher = dispatcherTo(url, route);
  try {
    await untilOver(over, checkProxied(url, route));
    const { statusCode, body } = await untilOver(
      over,
      dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: { 'user-agent': route.userAgent },
        reset: true,
        signal: over,
      }),
    );
    body.on('error', () => undefined).destroy();
    return statusCode >= 200 && statusCode < 300 ? null : refusalOf(url, statusCode);
  } catch (error) {
    if (!over.aborted) return reasonOf(error, url);
    return isLate() ? `no answer came within ${timeouts.wholeMs / 1000} s` : 'the worker stops';
  } finally {
    end();
    await dispatcher.destroy().catch(() => undefined);
  }
}

function refusalOf({ hostname }: URL, status: number): string {
  const about = status >= 300 && status < 400 ? ': a redirect, which Meterline does not follow' : '';
  return `${hostname} answered HTTP ${status}${about}`;
}
