import { z } from 'zod';
import { SEVERITIES, type NoticeContent } from '../../domain/notices/content.ts';
import { NOTICE_KINDS } from '../../domain/notices/kinds.ts';
import type { Subscriptions } from '../../domain/notices/subscriptions.ts';
import { jsonOf } from '../core/columns.ts';

/** The words of a notice, as stored. */
export const contentJson: z.ZodType<NoticeContent> = z.object({
  kind: z.string(),
  severity: z.enum(SEVERITIES),
  subject: z.string(),
  sentence: z.string(),
  action: z.string().nullable(),
  facts: z.array(z.object({ label: z.string(), value: z.string() })),
  tables: z.array(
    z.object({
      title: z.string(),
      columns: z.array(z.object({ name: z.string(), isNumber: z.boolean() })),
      rows: z.array(z.array(z.string())),
    }),
  ),
  link: z.object({ label: z.string(), path: z.string() }).nullable(),
});

/** The subscriptions of a channel, as stored. */
export const subscriptionsJson: z.ZodType<Subscriptions> = z.object({
  kinds: z.array(z.enum(NOTICE_KINDS)).nullable(),
  leastSeverity: z.enum(SEVERITIES).nullable(),
  connections: z.array(z.string()).nullable(),
});

/** A {@link contentJson}. */
export const noticeContent = jsonOf(contentJson);
/** A {@link subscriptionsJson}. */
export const subscriptionsColumn = jsonOf(subscriptionsJson);
