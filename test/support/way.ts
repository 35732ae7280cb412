import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A port of this machine that leads to another address while it is open. */
export interface Way {
  readonly port: number;
  /** Lets connections through. */
  readonly open: () => Promise<void>;
  /** Cuts what is connected, and refuses what tries to. */
  readonly shut: () => Promise<void>;
}

/** Makes a way to an address that is shut, on a given port or, once it is open, on a free one. */
export function makeWay(to: { host: string; port: number }, onPort = 0): Way {
  const sockets = new Set<Socket>();
  let server: Server | null = null;
  let port = onPort;
  const open = async (): Promise<void> => {
    const listening = createServer((socket) => {
      const far = connect(to.port, to.host);
      for (const end of [socket, far]) {
        sockets.add(end);
        end.on('error', () => undefined).on('close', () => sockets.delete(end));
      }
      socket.pipe(far).pipe(socket);
      socket.on('close', () => far.destroy());
      far.on('close', () => socket.destroy());
    }).listen(port, '127.0.0.1');
    await once(listening, 'listening');
    port = (listening.address() as AddressInfo).port;
    server = listening;
  };
  const shut = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    server = null;
    await closed;
  };
  return {
    get port() {
      return port;
    },
    open,
    shut,
  };
}
