import { Worker } from 'node:worker_threads';
import type { DayRange } from '../domain/days.ts';
import type { Report } from '../domain/lines.ts';
import { PageError, ThreadLostError } from './failure.ts';
import { beginReading, type ReadPage } from './reading.ts';

/** Reads pages of reports. */
export interface PageReader {
  /** Begins to read a report. */
  open(report: Report): OpenReading;
  close(): Promise<void>;
}

/** A report that is being read, page by page. Close it when no page follows. */
export interface OpenReading {
  /** Waits until this reading may ask for more pages, after one of so many bytes. */
  turn(bytes: number): Promise<void>;
  /**
   * Reads the next page of a query, or with `asked` the first page of a new one. Takes the memory of `body`, and returns
   * it as `spare` for a later page. Throws PageError, and {@link ThreadLostError}; then the reading is over.
   */
  read(
    body: Uint8Array<ArrayBuffer>,
    asked: DayRange | null,
  ): Promise<{ page: ReadPage; spare: Uint8Array<ArrayBuffer> }>;
  close(): void;
}

/** What the thread is told. */
export type Request =
  | {
      readonly kind: 'read';
      readonly reading: number;
      readonly report: Report;
      readonly body: Uint8Array<ArrayBuffer>;
      readonly asked: DayRange | null;
    }
  | { readonly kind: 'close'; readonly reading: number }
  | { readonly kind: 'end' };

/** What the thread answers to each request to read. `refused` is a page's failure, and `failed` our own. */
export type Answer =
  | { readonly kind: 'page'; readonly page: ReadPage; readonly spare: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'refused'; readonly message: string; readonly spare: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly message: string };

/** A page that waits for its turn. */
interface Job {
  readonly request: Extract<Request, { kind: 'read' }>;
  readonly reading: Reading;
  readonly resolve: (read: { page: ReadPage; spare: Uint8Array<ArrayBuffer> }) => void;
  readonly reject: (error: Error) => void;
}

interface Reading {
  readonly number: number;
  /** The thread that has read its first page. */
  thread: Worker | null;
  isClosed: boolean;
}

/** A page of 50 MB takes a fraction of this, since rows never become objects. */
const MAX_HEAP_MB = 192;
/** It makes few objects that live for a moment only. */
const MAX_YOUNG_MB = 8;
/** A thread that reads a page when it is asked to end has this long. */
const END_MS = 500;

/**
 * Reads pages in a thread of its own, so that no page, however large, holds up the thread that heartbeats. The thread
 * takes one page at a time. Of those that wait, it takes the one whose reading began first: that one ends soonest then, and
 * lets go of its memory. The thread starts at once; one that ended is started anew for the next reading.
 */
export class PageThread implements PageReader {
  readonly #program: URL;
  #thread: Worker | null = null;
  #current: Job | null = null;
  #waiting: Job[] = [];
  #last = 0;

  readonly #maxHeapMb: number;

  /** `program` is `thread.js` of this room. */
  constructor(program: URL, maxHeapMb = MAX_HEAP_MB) {
    this.#program = program;
    this.#maxHeapMb = maxHeapMb;
    this.#thread = this.#start();
  }

  open(report: Report): OpenReading {
    const reading: Reading = { number: (this.#last += 1), thread: null, isClosed: false };
    return {
      turn: () => Promise.resolve(),
      read: (body, asked) =>
        new Promise((resolve, reject) => {
          const request = { kind: 'read', reading: reading.number, report, body, asked } as const;
          this.#waiting.push({ request, reading, resolve, reject });
          this.#next();
        }),
      close: () => {
        reading.isClosed = true;
        reading.thread?.postMessage({ kind: 'close', reading: reading.number } satisfies Request);
      },
    };
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    for (const { reject } of this.#waiting.splice(0)) reject(lost('it was stopped'));
    this.#lose(thread, new Error('it was stopped'));
    if (thread === null) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    thread.postMessage({ kind: 'end' } satisfies Request);
    const late = setTimeout(() => void thread.terminate(), END_MS);
    await ended;
    clearTimeout(late);
  }

  #start(): Worker {
    const thread = new Worker(this.#program, {
      resourceLimits: { maxOldGenerationSizeMb: this.#maxHeapMb, maxYoungGenerationSizeMb: MAX_YOUNG_MB },
    });
    thread.on('message', (answer: Answer) => {
      const job = this.#current;
      this.#current = null;
      if (job !== null) settle(job, answer);
      this.#next();
    });
    thread.on('error', (error) => {
      this.#lose(thread, error);
    });
    thread.on('exit', () => {
      this.#lose(thread, new Error('it ended'));
    });
    // A process with nothing else to do may end. This comes last, since a listener for messages keeps it alive.
    thread.unref();
    return thread;
  }

  /** A reading whose thread has ended is over: a new thread would give its series other places. */
  #lose(thread: Worker | null, error: Error & { code?: string }): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    const job = this.#current;
    this.#current = null;
    const isOutOfMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    job?.reject(
      isOutOfMemory ? new PageError(`it takes more than ${this.#maxHeapMb} MB of memory to read`) : lost(error.message),
    );
    this.#next();
  }

  #next(): void {
    if (this.#current !== null) return;
    const job = this.#waiting.reduce<Job | undefined>(
      (first, each) => (first === undefined || each.reading.number < first.reading.number ? each : first),
      undefined,
    );
    if (job === undefined) return;
    this.#waiting = this.#waiting.filter((each) => each !== job);
    const { reading } = job;
    if (reading.isClosed || (reading.thread !== null && reading.thread !== this.#thread)) {
      job.reject(
        lost(reading.isClosed ? 'nobody reads this report any more' : 'it ended in the middle of this report'),
      );
      this.#next();
      return;
    }
    this.#thread ??= this.#start();
    reading.thread = this.#thread;
    this.#thread.postMessage(job.request satisfies Request, [job.request.body.buffer]);
    this.#current = job;
  }
}

function lost(why: string): ThreadLostError {
  return new ThreadLostError(`The thread that reads pages ended: ${why}. The next attempt reads with a new one.`);
}

function settle({ resolve, reject }: Job, answer: Answer): void {
  switch (answer.kind) {
    case 'page':
      resolve({ page: answer.page, spare: answer.spare });
      return;
    case 'refused':
      reject(new PageError(answer.message));
      return;
    case 'failed':
      reject(new Error(`The thread that reads pages failed: ${answer.message}`));
      return;
  }
}

/** Reads pages in the calling thread. */
export function pageReaderHere(): PageReader {
  return {
    open(report) {
      const reading = beginReading(report);
      return {
        turn: () => Promise.resolve(),
        read: (body, asked) =>
          new Promise((resolve) => {
            resolve({ page: reading.read(body, asked), spare: body });
          }),
        close: () => undefined,
      };
    },
    close: () => Promise.resolve(),
  };
}
