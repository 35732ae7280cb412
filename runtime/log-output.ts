import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';

/** Lines that wait for the output, in bytes: some thousand. Whatever comes beyond that is dropped. */
const LARGEST_BYTES = 512 * 1024;
/** Once lines are dropped, this much must be written before others are taken, so that there is one gap and not many. */
const ROOM_AGAIN_BYTES = LARGEST_BYTES / 2;
const CHUNK_BYTES = 64 * 1024;
const TRY_AGAIN_MS = 500;
const STANDARD_OUTPUT = 1;

/** Where the lines of a log go. It makes nobody wait: not for a full disk, and not for a reader that stopped reading. */
export interface LogOutput {
  /** Takes a line with its end. One that finds no room is dropped, and counted. */
  readonly write: (line: string) => void;
  /** How many lines were dropped since the process began. */
  readonly dropped: () => number;
  /** Resolves once everything is written, or after `withinMs`. */
  readonly flush: (withinMs: number) => Promise<void>;
  /** Writes what can be written without waiting: for the moment in which the process ends. */
  readonly flushSync: () => void;
}

/** A way to write that does not block. */
interface Target {
  /** Hands bytes over. Calls back with how many were taken, or with null where that has to be tried again later. */
  readonly give: (bytes: Buffer, done: (taken: number | null) => void) => void;
  /** Writes at once. Throws where that is not possible. */
  readonly giveSync: (bytes: Buffer) => number;
  /** Whether all that was handed over has left this process, so that more may be written behind it. */
  readonly isClear: () => boolean;
}

/** Standard output. `noticeOf` makes the line that says how many were dropped, once there is room for it. */
export function standardOutput(noticeOf: (dropped: number) => string): LogOutput {
  const kind = fstatSync(STANDARD_OUTPUT);
  return new Output(kind.isFIFO() || kind.isSocket() ? pipeTarget() : fileTarget(kind.isCharacterDevice()), noticeOf);
}

class Output implements LogOutput {
  readonly #target: Target;
  readonly #noticeOf: (dropped: number) => string;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Taken out of what waits, and not written yet. */
  #current: Buffer | null = null;
  #isGiving = false;
  #tryAgain: NodeJS.Timeout | undefined;
  #dropped = 0;
  #droppedUnsaid = 0;
  #idle: (() => void)[] = [];

  constructor(target: Target, noticeOf: (dropped: number) => string) {
    this.#target = target;
    this.#noticeOf = noticeOf;
  }

  readonly write = (line: string): void => {
    const bytes = Buffer.from(line);
    const room = (this.#droppedUnsaid === 0 ? LARGEST_BYTES : ROOM_AGAIN_BYTES) - this.#waitingBytes;
    if (bytes.length > room) {
      this.#dropped += 1;
      this.#droppedUnsaid += 1;
      return;
    }
    this.#sayDropped();
    this.#add(bytes);
    if (!this.#isGiving && this.#tryAgain === undefined) this.#go();
  };

  readonly dropped = (): number => this.#dropped;

  readonly flush = async (withinMs: number): Promise<void> => {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, withinMs);
      this.#idle.push(() => {
        clearTimeout(late);
        resolve();
      });
      this.#goNow();
    });
  };

  readonly flushSync = (): void => {
    if (!this.#target.isClear()) return;
    // What is being given is written by whoever has it.
    const current = this.#isGiving || this.#current === null ? [] : [this.#current];
    this.#sayDropped();
    let rest = Buffer.concat([...current, ...this.#waiting]);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (!this.#isGiving) this.#current = null;
    try {
      while (rest.length > 0) rest = rest.subarray(this.#target.giveSync(rest));
    } catch {
      // It is not taken, and there is no time left to wait until it is.
    }
  };

  /** Behind the lines that found room, and before those that find it again. */
  #sayDropped(): void {
    if (this.#droppedUnsaid === 0) return;
    const notice = Buffer.from(this.#noticeOf(this.#droppedUnsaid));
    this.#droppedUnsaid = 0;
    this.#add(notice);
  }

  #add(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #isIdle(): boolean {
    return this.#current === null && this.#waiting.length === 0 && this.#droppedUnsaid === 0;
  }

  #go(): void {
    this.#current ??= this.#nextChunk();
    if (this.#current === null) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const bytes = this.#current;
    this.#isGiving = true;
    this.#target.give(bytes, (taken) => {
      this.#isGiving = false;
      if (taken === null) {
        this.#goLater();
        return;
      }
      this.#current = taken < bytes.length ? bytes.subarray(taken) : null;
      this.#go();
    });
  }

  /** A disk has room again, or a pipe a reader, without telling anybody. The process does not stay alive for it. */
  #goLater(): void {
    this.#tryAgain = setTimeout(() => {
      this.#tryAgain = undefined;
      this.#go();
    }, TRY_AGAIN_MS).unref();
  }

  #goNow(): void {
    if (this.#isGiving) return;
    clearTimeout(this.#tryAgain);
    this.#tryAgain = undefined;
    this.#go();
  }

  #nextChunk(): Buffer | null {
    if (this.#waiting.length === 0) this.#sayDropped();
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

/** A pipe or a socket: the operating system says when its reader has read, and until then Node keeps one chunk. */
function pipeTarget(): Target {
  const { stdout } = process;
  // A reader that is gone is told of by the write, and is no reason to end.
  stdout.on('error', () => undefined);
  return {
    give: (bytes, done) => {
      stdout.write(bytes, (error) => {
        done(error == null ? bytes.length : null);
      });
    },
    giveSync: (bytes) => writeSync(STANDARD_OUTPUT, bytes),
    isClear: () => stdout.writableLength === 0,
  };
}

/** A file, a terminal or another device: written by Node's threads, since Node itself would wait for it. */
function fileTarget(isDevice: boolean): Target {
  const fd = isDevice ? deviceDescriptor() : STANDARD_OUTPUT;
  return {
    give: (bytes, done) => {
      write(fd, bytes, (error, taken) => {
        done(error === null ? taken : null);
      });
    },
    giveSync: (bytes) => writeSync(fd, bytes),
    isClear: () => true,
  };
}

/** A terminal that somebody stopped (Ctrl-S) would hold the thread, so it is opened once more, as one that does not. */
function deviceDescriptor(): number {
  try {
    return openSync('/dev/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return STANDARD_OUTPUT;
  }
}
