import type { Logger as TemporalLogger, LogLevel as TemporalLevel, LogMetadata } from '@temporalio/worker';
import type { Logger } from 'pino';

const LEVELS: Readonly<Record<TemporalLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** Writes Temporal's own log lines into ours. Of their metadata it keeps ids and messages: the rest may hold payloads. */
export function temporalLogger(log: Logger): TemporalLogger {
  const write = (level: TemporalLevel, message: string, meta?: LogMetadata): void => {
    const error: unknown = meta?.['error'];
    const { workflowId, runId, activityType, attempt, state } = meta ?? {};
    log[LEVELS[level]](
      { workflowId, runId, activityType, attempt, state, ...(error instanceof Error ? { error: error.message } : {}) },
      message,
    );
  };
  const at = (level: TemporalLevel) => (message: string, meta?: LogMetadata) => {
    write(level, message, meta);
  };
  return {
    log: write,
    trace: at('TRACE'),
    debug: at('DEBUG'),
    info: at('INFO'),
    warn: at('WARN'),
    error: at('ERROR'),
  };
}
