import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What clients may have under way, so that none that asks and never reads its replies takes all memory. */
export interface Bounds {
  /**
   * Requests on one connection of which none is answered yet, 32. They are carried out one after the other; clients send
   * the next one when they have the answer, but for those that pipeline, a handful at a time.
   */
  readonly requestsPerSocket: number;
  /** Connections at once, 1,000. Beyond that the one that waits longest gives way to the new one. */
  readonly sockets: number;
  /** Bytes of replies that clients have not taken yet, 64 MB in all. Beyond that the one that waits longest is cut off. */
  readonly waitingBytes: number;
  /** How long a reply may take until the client has all of it, in milliseconds: five minutes. */
  readonly replyMs: number;
}

/** Far above what any sane client meets, and far below what a process has room for. */
export const BOUNDS: Bounds = {
  requestsPerSocket: 32,
  sockets: 1_000,
  waitingBytes: 64 * 1024 * 1024,
  replyMs: 300_000,
};

/** The requests of one connection. */
interface Lane {
  readonly waiting: [request: IncomingMessage, response: ServerResponse][];
  isBusy: boolean;
}

/** Keeps the clients of one server within bounds. */
export class ClientBounds {
  readonly #bounds: Bounds;
  readonly #untaken: UntakenReplies;
  readonly #lanes = new WeakMap<Socket, Lane>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#untaken = new UntakenReplies(bounds.waitingBytes);
  }

  /** Makes a listener that carries out the requests of each connection in turn. */
  listener(answer: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      // What came in one piece with the request too many is parsed all the same.
      if (socket.destroyed) return;
      const lane = this.#lanes.get(socket) ?? { waiting: [], isBusy: false };
      this.#lanes.set(socket, lane);
      if (!lane.isBusy) this.#carryOut(answer, lane, request, response);
      else if (lane.waiting.length + 1 < this.#bounds.requestsPerSocket) lane.waiting.push([request, response]);
      else socket.destroy();
    };
  }

  /** Keeps the number of connections within bounds: an idle one gives way first, and the oldest of those. */
  limitSockets(server: Server): void {
    const open = new Set<Socket>();
    server.on('connection', (socket) => {
      if (open.size >= this.#bounds.sockets) {
        const [oldest] = open;
        const gone = [...open].find((each) => this.#lanes.get(each)?.isBusy !== true) ?? oldest;
        gone?.destroy();
        if (gone !== undefined) open.delete(gone);
      }
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    });
  }

  #carryOut(answer: RequestListener, lane: Lane, request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    lane.isBusy = true;
    const cutOff = setTimeout(() => socket.destroy(), this.#bounds.replyMs).unref();
    response.once('prefinish', () => {
      this.#untaken.watch(socket, response);
    });
    response.once('close', () => {
      clearTimeout(cutOff);
      lane.isBusy = false;
      const next = socket.destroyed ? undefined : lane.waiting.shift();
      if (next !== undefined) this.#carryOut(answer, lane, ...next);
    });
    answer(request, response);
  }
}

/** Replies that are made, and of which bytes wait for their client, the longest waiting first. */
class UntakenReplies {
  readonly #largestBytes: number;
  readonly #bytes = new Map<Socket, number>();
  #total = 0;

  constructor(largestBytes: number) {
    this.#largestBytes = largestBytes;
  }

  watch(socket: Socket, response: ServerResponse): void {
    // Most are taken at once by the operating system, which shows only after this turn.
    setImmediate(() => {
      const bytes = socket.writableLength;
      if (bytes === 0 || response.closed) return;
      this.#add(socket, bytes);
      response.once('close', () => {
        this.#remove(socket);
      });
      while (this.#total > this.#largestBytes) {
        const [longest] = this.#bytes.keys();
        if (longest === undefined) return;
        this.#remove(longest);
        longest.destroy();
      }
    });
  }

  #add(socket: Socket, bytes: number): void {
    this.#bytes.set(socket, bytes);
    this.#total += bytes;
  }

  #remove(socket: Socket): void {
    this.#total -= this.#bytes.get(socket) ?? 0;
    this.#bytes.delete(socket);
  }
}
