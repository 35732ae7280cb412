import { pino, type Logger } from 'pino';
import { standardOutput } from './log-output.ts';
import { redact } from './redact.ts';

const WARN = 40;
const LAST_LINES_MS = 1_000;

/** The log of a process. */
export interface ProcessLog {
  readonly log: Logger;
  /** The number of lines dropped since the process began, because the disk was full or the reader had stopped reading. */
  readonly dropped: () => number;
  /** Resolves once the lines are written, after a second at most. Await it before the process ends in order. */
  readonly flush: () => Promise<void>;
}

/**
 * Opens the log of a process: JSON lines on standard output, with Anthropic keys struck out. It never makes the process
 * wait: lines that cannot be written are dropped, and a later line says how many.
 */
export function openLog(level: string, role: string): ProcessLog {
  const output = standardOutput((dropped) => {
    const notice = {
      level: WARN,
      time: new Date().toISOString(),
      role,
      dropped,
      msg: `${dropped} log lines were dropped`,
    };
    return `${JSON.stringify(notice)}\n`;
  });
  // After a crash somebody will look for the last lines.
  process.on('exit', output.flushSync);
  const log = pino(
    {
      level,
      base: { role },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ['req.headers', 'headers', 'body', '*.body', '*.authorization'], remove: true },
      hooks: { streamWrite: (line) => redact(line) },
    },
    output,
  );
  return { log, dropped: output.dropped, flush: () => output.flush(LAST_LINES_MS) };
}
