import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Limits on what clients have in progress, so that clients that never read their replies cannot use up all memory. */
export interface Bounds {
  /**
   * Unanswered requests on one connection. They run one after the other. Most clients wait for an answer before the next
   * request; clients that pipeline send a handful.
   */
  readonly requestsPerSocket: number;
  /** Open connections. Beyond this number the oldest one makes room for a new one. */
  readonly sockets: number;
  /** Bytes of replies that clients have not read yet, in total. Beyond this number the oldest reply is cut off. */
  readonly waitingBytes: number;
  /** The time from the start of a request until its client has the whole reply. */
  readonly replyMs: number;
}

/** Far above what a sane client needs, and far below what the memory of a process allows. */
export const BOUNDS: Bounds = {
  requestsPerSocket: 32,
  sockets: 1_000,
  waitingBytes: 64 * 1024 * 1024,
  // Longer than an export may take.
  replyMs: 660_000,
};

/** The queue of one connection. */
interface Lane {
  readonly waiting: [request: IncomingMessage, response: ServerResponse][];
  isBusy: boolean;
}

/** Keeps the clients of one server within its bounds. */
export class ClientBounds {
  readonly #bounds: Bounds;
  readonly #untaken: UntakenReplies;
  readonly #lanes = new WeakMap<Socket, Lane>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#untaken = new UntakenReplies(bounds.waitingBytes);
  }

  /** A listener that runs the requests of each connection one after the other. */
  listener(answer: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      // Node still parses the rest of a piece after the request that broke the limit.
      if (socket.destroyed) return;
      const lane = this.#lanes.get(socket) ?? { waiting: [], isBusy: false };
      this.#lanes.set(socket, lane);
      if (!lane.isBusy) this.#run(answer, lane, request, response);
      else if (lane.waiting.length + 1 < this.#bounds.requestsPerSocket) lane.waiting.push([request, response]);
      else socket.destroy();
    };
  }

  /** Closes a connection for each one above the limit: the oldest idle one, or else the oldest. */
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

  #run(answer: RequestListener, lane: Lane, request: IncomingMessage, response: ServerResponse): void {
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
      if (next !== undefined) this.#run(answer, lane, ...next);
    });
    answer(request, response);
  }
}

/** The replies whose bytes wait for their clients, oldest first. */
class UntakenReplies {
  readonly #largestBytes: number;
  readonly #bytes = new Map<Socket, number>();
  #total = 0;

  constructor(largestBytes: number) {
    this.#largestBytes = largestBytes;
  }

  watch(socket: Socket, response: ServerResponse): void {
    // The operating system takes most replies at once, which shows only in the next turn of the event loop.
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
