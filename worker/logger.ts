import { pino, type Logger } from 'pino';
import type { LogLevel as TemporalLevel, LogMetadata } from '@temporalio/worker';

const SECRET = /sk-ant-[\w-]+/g;

/** The log of a process: JSON lines on standard output. Nothing that looks like an Anthropic key gets through. */
export function createLogger(level: string, role: string): Logger {
  return pino({
    level,
    base: { role },
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks: { streamWrite: (line) => line.replace(SECRET, 'sk-ant-…') },
  });
}

const LEVELS: Readonly<Record<TemporalLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** Temporal's own log, into ours. */
export function temporalLogger(log: Logger): {
  log: (level: TemporalLevel, message: string, meta?: LogMetadata) => void;
} & Record<'trace' | 'debug' | 'info' | 'warn' | 'error', (message: string, meta?: LogMetadata) => void> {
  const write = (level: TemporalLevel, message: string, meta?: LogMetadata): void => {
    const error: unknown = meta?.['error'];
    const { workflowId, runId, activityType, attempt } = meta ?? {};
    log[LEVELS[level]](
      { workflowId, runId, activityType, attempt, ...(error instanceof Error ? { error: error.message } : {}) },
      message,
    );
  };
  return {
    log: write,
    trace: (message, meta) => {
      write('TRACE', message, meta);
    },
    debug: (message, meta) => {
      write('DEBUG', message, meta);
    },
    info: (message, meta) => {
      write('INFO', message, meta);
    },
    warn: (message, meta) => {
      write('WARN', message, meta);
    },
    error: (message, meta) => {
      write('ERROR', message, meta);
    },
  };
}
