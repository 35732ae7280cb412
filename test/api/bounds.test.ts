import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BOUNDS, type Bounds } from '../../api/http/bounds.ts';
import { createHttpServer, listen, type ClientTimeouts } from '../../api/http/server.ts';
import { Turns } from '../../api/http/turns.ts';
import { until } from '../support/wait.ts';

const MB = 1024 * 1024;
const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(
  app: RequestListener,
  bounds: Partial<Bounds>,
  timeouts: Partial<ClientTimeouts> = {},
): Promise<URL> {
  const server = createHttpServer(app, timeouts, bounds);
  servers.push(server);
  return new URL(await listen(server, '127.0.0.1', 0));
}

/** A client that reads nothing before it is told to. */
async function client(url: URL): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname);
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.pause();
  await once(socket, 'connect');
  return socket;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** Answers with so much that no buffer of the operating system takes it, and knows which connections it lost. */
function large(megabytes: number): { app: RequestListener; asked: () => number; cut: () => number } {
  const body = Buffer.alloc(megabytes * MB, 'x');
  const askers: Socket[] = [];
  return {
    app: ({ socket }, response) => {
      askers.push(socket);
      response.end(body);
    },
    asked: () => askers.length,
    cut: () => askers.filter(({ destroyed }) => destroyed).length,
  };
}

describe('a client', () => {
  it('that pipelines is answered in turn: the next request runs after it has read the reply before', async () => {
    const held: (() => void)[] = [];
    const url = await serve((_request, response) => {
      held.push(() => response.end('done'));
    }, {});
    const socket = await client(url);
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
    socket.resume();
    socket.write(GET.repeat(20));
    for (let count = 1; count <= 20; count += 1) {
      await until('the next request', () => held.length === count);
      held[count - 1]?.();
    }
    await until('all replies', () => heard.match(/done/g)?.length === 20);
  });

  it('that pipelines more requests than it may is cut off', async () => {
    let asked = 0;
    const url = await serve(
      () => {
        asked += 1;
      },
      { requestsPerSocket: 8 },
    );
    const patient = await client(url);
    patient.write(GET.repeat(8));
    const socket = await client(url);
    const closed = once(socket, 'close');
    socket.resume().write(GET.repeat(9));
    await closed;
    expect(asked).toBe(2);
    expect(patient.destroyed).toBe(false);
  });

  it('that reads nothing of its reply is cut off', async () => {
    const { app, cut } = large(16);
    const url = await serve(app, {}, { idleMs: 500 });
    const socket = await client(url);
    socket.write(GET);
    await until('it to be cut off', () => cut() === 1);
  });

  it('that reads its reply slowly but steadily gets all of it', async () => {
    const idleMs = 1_500;
    const url = await serve(large(16).app, {}, { idleMs });
    const socket = await client(url);
    socket.write(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    let taken = 0;
    const began = Date.now();
    const over = once(socket, 'end');
    socket.on('data', (part: Buffer) => {
      taken += part.length;
      socket.pause();
      setTimeout(() => socket.resume(), (2 * idleMs * part.length) / (16 * MB));
    });
    socket.resume();
    await over;
    expect(taken).toBeGreaterThan(16 * MB);
    // Otherwise the whole reply came before an idle connection would have been cut off.
    expect(Date.now() - began).toBeGreaterThan(idleMs);
  });

  it('that needs too long for its reply is cut off, however steadily it reads', async () => {
    const { app, cut } = large(64);
    const url = await serve(app, { replyMs: 1_000 });
    const socket = await client(url);
    socket.write(GET);
    socket.on('data', () => {
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    });
    socket.resume();
    await until('it to be cut off', () => cut() === 1);
  });
});

describe('all clients together', () => {
  it('have a limit on unread bytes of replies: above it, the oldest reply is cut off', async () => {
    const { app, asked, cut } = large(16);
    const url = await serve(app, { waitingBytes: 40 * MB });
    for (let count = 1; count <= 5; count += 1) {
      (await client(url)).write(GET);
      await until('it to be answered', () => asked() === count);
    }
    // Each leaves between 10 and 16 MB, whatever its operating system takes.
    await until('the first to be cut off', () => cut() >= 1);
    const [first] = sockets;
    const last = sockets.at(-1);
    if (first === undefined || last === undefined) throw new Error('there are no sockets');
    const closed = once(first, 'close');
    first.resume();
    await closed;
    expect(last.destroyed).toBe(false);
    expect(cut()).toBeLessThan(5);
  });

  it('have a limit on connections: above it, an idle connection is closed and the new one is answered', async () => {
    const url = await serve(
      (request, response) => {
        if (request.url === '/now') response.end('here');
      },
      { sockets: 5 },
    );
    const busy = await client(url);
    busy.write(GET);
    const idle: Socket[] = [];
    for (let count = 0; count < 4; count += 1) idle.push(await client(url));
    const [first] = idle;
    if (first === undefined) throw new Error('there are no sockets');
    const closed = once(first, 'close');
    first.resume();
    expect(await (await fetch(new URL('/now', url))).text()).toBe('here');
    await closed;
    expect(busy.destroyed).toBe(false);
  });

  it('wait for requests of their own token only, in order', async () => {
    const turns = new Turns(2);
    const taken: string[] = [];
    const take = async (token: string, name: string): Promise<() => void> => {
      const end = await turns.take(token);
      taken.push(name);
      return end;
    };
    const [first, second] = await Promise.all([take('a', 'a1'), take('a', 'a2')]);
    const later = [take('a', 'a3'), take('a', 'a4')];
    await take('b', 'b1');
    expect(taken).toEqual(['a1', 'a2', 'b1']);
    first();
    const third = await later[0];
    expect(taken).toEqual(['a1', 'a2', 'b1', 'a3']);
    third?.();
    second();
    await later[1];
    await take('a', 'a5');
    expect(taken).toEqual(['a1', 'a2', 'b1', 'a3', 'a4', 'a5']);
  });

  it('have bounds with room for every sane client', () => {
    expect(BOUNDS.requestsPerSocket).toBeGreaterThanOrEqual(16);
    expect(BOUNDS.waitingBytes).toBeLessThanOrEqual(128 * MB);
  });
});
