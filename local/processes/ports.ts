import { connect, createServer } from 'node:net';
import { isErrno } from './processes.ts';

/** Whether a port can be listened on. Only "taken" is a no; another failure is thrown. */
export async function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
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

/** The first free port from `preferred` upwards. Ports in `not` are promised to somebody else already. */
export async function nextFreePort(
  preferred: number,
  host = '127.0.0.1',
  not: readonly number[] = [],
): Promise<number> {
  for (let port = preferred; port < preferred + 200 && port < 65_536; port += 1) {
    if (!not.includes(port) && (await isFree(port, host))) return port;
  }
  throw new Error(`No free port from ${preferred} to ${Math.min(preferred + 199, 65_535)} on ${host}.`);
}

/** Any free port, for throw-away servers. */
export async function anyFreePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  return address.port;
}

/** Whether somebody accepts connections there. */
export function isListening(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 1000 });
    const settle = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
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
