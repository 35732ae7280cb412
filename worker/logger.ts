import type { Logger as TemporalLogger, LogLevel as TemporalLevel, LogMetadata } from '@temporalio/worker';
import type { Logger } from 'pino';
import { hasActivitiesOnly } from '../workflows/messages.ts';

const LEVELS: Readonly<Record<TemporalLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** What a worker warns of at its start if it has activities only. */
const NO_WORKFLOWS = 'No workflows registered, not polling for workflow tasks';

/** Whether a line tells of what is so on purpose: the workers of readings and of messages have no workflows. */
function isMeant(message: string, meta?: LogMetadata): boolean {
  return message === NO_WORKFLOWS && hasActivitiesOnly(String(meta?.['taskQueue']));
}

/** Writes Temporal's own log lines into ours, but for those of what is meant. Of their metadata it keeps ids and messages: the rest may hold payloads. */
export function temporalLogger(log: Logger): TemporalLogger {
  const write = (level: TemporalLevel, message: string, meta?: LogMetadata): void => {
    if (isMeant(message, meta)) return;
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
