import { z } from 'zod';

/** The reply of /healthz. */
export const health = z
  .strictObject({
    status: z.literal('ok'),
    dropped_log_lines: z.int().min(1).optional().meta({
      description:
        'How many log lines this process has dropped since it started, because nothing took them: a full disk, or a reader that stopped. Absent if there are none.',
    }),
  })
  .meta({ id: 'Health' });

/** The reply of /readyz. */
export const readiness = z
  .strictObject({ status: z.literal('ready'), postgres: z.literal('ok'), temporal: z.literal('ok') })
  .meta({ id: 'Readiness' });
