import { connect, createServer } from 'node:net';
import { StackError, isErrno } from '../errors.ts';

const LOOPBACK = '127.0.0.1';
/** How many ports from the preferred one on are tried. */
const PORTS_TRIED = 200;
const HIGHEST_PORT = 65_535;
const CONNECT_WITHIN_MS = 1_000;

/** Whether a port can be listened on. Throws if the reason is another one than that a program has it. */
export async function checkFree(port: number, host = LOOPBACK): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host, exclusive: true }, resolve);
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) return false;
    throw error;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

/** The first free port from `preferred` on. Throws StackError if there is none nearby. */
export async function nextFreePort(preferred: number, host = LOOPBACK): Promise<number> {
  const last = Math.min(preferred + PORTS_TRIED - 1, HIGHEST_PORT);
  for (let port = preferred; port <= last; port += 1) {
    if (await checkFree(port, host)) return port;
  }
  throw new StackError(`No free port from ${preferred} to ${last} on ${host}.`);
}

/** Starts a server on the first free port. If another program takes that port meanwhile, tries the next one. */
export async function onFreePort<T>(
  preferred: number,
  start: (port: number) => Promise<T>,
  host = LOOPBACK,
): Promise<T> {
  for (let from = preferred; ;) {
    const port = await nextFreePort(from, host);
    try {
      return await start(port);
    } catch (error) {
      if (port >= preferred + PORTS_TRIED || (await checkFree(port, host))) throw error;
      from = port + 1;
    }
  }
}

/** Any free port, for servers that are thrown away. */
export async function anyFreePort(host = LOOPBACK): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new StackError('The system gave no port.');
  return address.port;
}

/** Whether a server accepts connections on a port. */
export function isListening(port: number, host = LOOPBACK): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: CONNECT_WITHIN_MS });
    const settle = (listens: boolean): void => {
      socket.destroy();
      resolve(listens);
    };
    socket.once('connect', () => {
      settle(true);
    });
    socket.once('timeout', () => {
      settle(false);
    });
    socket.once('error', () => {
      settle(false);
    });
  });
}
