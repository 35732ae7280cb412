import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';

/** Room for the lines that wait, a few thousand of them. Further lines are dropped. */
const BUFFER_BYTES = 512 * 1024;
/** After a line was dropped, half of the buffer must be free before it takes lines again: one gap is easier to read than many. */
const BUFFER_AGAIN_BYTES = BUFFER_BYTES / 2;
const CHUNK_BYTES = 64 * 1024;
const TRY_AGAIN_MS = 500;
const STANDARD_OUTPUT = 1;

/** Where the lines of a log go. Nobody ever waits for it, even if the disk is full or the reader stopped reading. */
export interface LogOutput {
  /** Takes a line with its line break. Drops and counts a line that does not fit into the buffer. */
  readonly write: (line: string) => void;
  /** The number of lines dropped since the process began. */
  readonly dropped: () => number;
  /** Resolves once everything is written, or after `withinMs`. */
  readonly flush: (withinMs: number) => Promise<void>;
  /** Writes as much as it can without waiting, for the moment when the process ends. */
  readonly flushSync: () => void;
}

/** A way to write that does not block. */
interface Target {
  /** Starts to write. Calls back with the number of bytes written, or with null if the caller must try again later. */
  readonly write: (bytes: Buffer, done: (written: number | null) => void) => void;
  /** Writes at once and returns the number of bytes written. Throws if that is not possible. */
  readonly writeSync: (bytes: Buffer) => number;
  /** Whether earlier bytes have left this process, so that `writeSync` cannot overtake them. */
  readonly isClear: () => boolean;
}

/** Standard output. `noticeOf` makes the line that reports dropped lines once there is room for it. */
export function standardOutput(noticeOf: (dropped: number) => string): LogOutput {
  const kind = fstatSync(STANDARD_OUTPUT);
  return new Output(kind.isFIFO() || kind.isSocket() ? pipeTarget() : fileTarget(kind.isCharacterDevice()), noticeOf);
}

class Output implements LogOutput {
  readonly #target: Target;
  readonly #noticeOf: (dropped: number) => string;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Bytes that left the buffer and are not written yet. */
  #current: Buffer | null = null;
  #isWriting = false;
  #tryAgain: NodeJS.Timeout | undefined;
  #dropped = 0;
  #droppedUnreported = 0;
  #onIdle: (() => void)[] = [];

  constructor(target: Target, noticeOf: (dropped: number) => string) {
    this.#target = target;
    this.#noticeOf = noticeOf;
  }

  readonly write = (line: string): void => {
    const bytes = Buffer.from(line);
    const room = (this.#droppedUnreported === 0 ? BUFFER_BYTES : BUFFER_AGAIN_BYTES) - this.#waitingBytes;
    if (bytes.length > room) {
      this.#dropped += 1;
      this.#droppedUnreported += 1;
      return;
    }
    this.#reportDropped();
    this.#add(bytes);
    if (!this.#isWriting && this.#tryAgain === undefined) this.#writeNext();
  };

  readonly dropped = (): number => this.#dropped;

  readonly flush = async (withinMs: number): Promise<void> => {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, withinMs);
      this.#onIdle.push(() => {
        clearTimeout(late);
        resolve();
      });
      this.#writeNow();
    });
  };

  readonly flushSync = (): void => {
    if (!this.#target.isClear()) return;
    // The write that is under way finishes by itself.
    const current = this.#isWriting || this.#current === null ? [] : [this.#current];
    this.#reportDropped();
    let rest = Buffer.concat([...current, ...this.#waiting]);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (!this.#isWriting) this.#current = null;
    try {
      while (rest.length > 0) rest = rest.subarray(this.#target.writeSync(rest));
    } catch {
      // The output takes nothing now, and there is no time left to wait.
    }
  };

  /** The notice stands where the dropped lines would: after those before them, before those after them. */
  #reportDropped(): void {
    if (this.#droppedUnreported === 0) return;
    const notice = Buffer.from(this.#noticeOf(this.#droppedUnreported));
    this.#droppedUnreported = 0;
    this.#add(notice);
  }

  #add(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #isIdle(): boolean {
    return this.#current === null && this.#waiting.length === 0 && this.#droppedUnreported === 0;
  }

  #writeNext(): void {
    this.#current ??= this.#nextChunk();
    if (this.#current === null) {
      for (const resolve of this.#onIdle.splice(0)) resolve();
      return;
    }
    const bytes = this.#current;
    this.#isWriting = true;
    this.#target.write(bytes, (written) => {
      this.#isWriting = false;
      if (written === null) {
        this.#writeLater();
        return;
      }
      this.#current = written < bytes.length ? bytes.subarray(written) : null;
      this.#writeNext();
    });
  }

  /** Nothing tells when a disk has room again or a reader reads on. The timer does not keep the process alive. */
  #writeLater(): void {
    this.#tryAgain = setTimeout(() => {
      this.#tryAgain = undefined;
      this.#writeNext();
    }, TRY_AGAIN_MS).unref();
  }

  #writeNow(): void {
    if (this.#isWriting) return;
    clearTimeout(this.#tryAgain);
    this.#tryAgain = undefined;
    this.#writeNext();
  }

  #nextChunk(): Buffer | null {
    if (this.#waiting.length === 0) this.#reportDropped();
    let count = 0;
    let bytes = 0;
    while (count < this.#waiting.length && (count === 0 || bytes < CHUNK_BYTES)) {
      bytes += this.#waiting[count]?.length ?? 0;
      count += 1;
    }
    if (count === 0) return null;
    this.#waitingBytes -= bytes;
    return Buffer.concat(this.#waiting.splice(0, count));
  }
}

/** For a pipe or a socket. Node keeps one chunk in memory until the operating system says that the reader has read. */
function pipeTarget(): Target {
  const { stdout } = process;
  // Without a listener a reader that is gone would end the process. The callback of the write reports it, too.
  stdout.on('error', () => undefined);
  return {
    write: (bytes, done) => {
      stdout.write(bytes, (error) => {
        done(error == null ? bytes.length : null);
      });
    },
    writeSync: (bytes) => writeSync(STANDARD_OUTPUT, bytes),
    isClear: () => stdout.writableLength === 0,
  };
}

/** For a file, a terminal or another device. Node's threads write, because Node's own stream would block. */
function fileTarget(isDevice: boolean): Target {
  const fd = isDevice ? deviceDescriptor() : STANDARD_OUTPUT;
  return {
    write: (bytes, done) => {
      write(fd, bytes, (error, written) => {
        done(error === null ? written : null);
      });
    },
    writeSync: (bytes) => writeSync(fd, bytes),
    isClear: () => true,
  };
}

/** Opens the terminal once more, without blocking: one that somebody stopped (Ctrl-S) would hold the thread. */
function deviceDescriptor(): number {
  try {
    return openSync('/dev/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return STANDARD_OUTPUT;
  }
}
