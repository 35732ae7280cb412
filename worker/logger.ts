import type { LogLevel as TemporalLevel, LogMetadata } from '@temporalio/worker';
import type { Logger } from 'pino';

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
    const { workflowId, runId, activityType, attempt, state } = meta ?? {};
    log[LEVELS[level]](
      { workflowId, runId, activityType, attempt, state, ...(error instanceof Error ? { error: error.message } : {}) },
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
