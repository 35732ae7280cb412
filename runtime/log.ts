import { pino, type Logger } from 'pino';
import { standardOutput } from './log-output.ts';
import { redact } from './redact.ts';

const WARN = 40;
const LAST_LINES_MS = 1_000;

/** The log of a process, and what becomes of its lines. */
export interface ProcessLog {
  readonly log: Logger;
  /** How many lines were dropped since the process began, because nobody took them: a full disk, a reader that stopped. */
  readonly dropped: () => number;
  /** Resolves once the lines are written, after a second at most. To be awaited before the process ends in order. */
  readonly flush: () => Promise<void>;
}

/**
 * The log of a process: JSON lines on standard output. Nothing that looks like an Anthropic key gets through. It never
 * makes the process wait: lines that nobody takes are dropped, and a line says how many, once lines are taken again.
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
  // However the process ends, what was said last is what somebody will look for.
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
