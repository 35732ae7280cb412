import { createHmac } from 'node:crypto';
import type { Json } from '../../domain/lines.ts';
import type { Message } from '../delivery.ts';

/** The body of a webhook, as JSON Schema (2020-12). `data` depends on the kind. */
export const WEBHOOK_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'A notice of Meterline',
  type: 'object',
  required: ['type', 'timestamp', 'data'],
  additionalProperties: false,
  properties: {
    type: { type: 'string', pattern: '^notice\\.[a-z][a-z_]*$', description: 'What kind of notice it is' },
    timestamp: { type: 'string', format: 'date-time', description: 'When the notice was decided, in UTC' },
    data: { description: 'What the notice says, by its kind' },
  },
} as const;

/** The body of a webhook, by the rules of Standard Webhooks. */
export interface WebhookBody {
  readonly type: `notice.${string}`;
  readonly timestamp: string;
  readonly data: Json;
}

/** Makes the body of a notice, with the same bytes on every try. */
export function webhookBody({ content, atMs, data }: Pick<Message, 'content' | 'atMs' | 'data'>): string {
  const body: WebhookBody = { type: `notice.${content.kind}`, timestamp: new Date(atMs).toISOString(), data };
  return JSON.stringify(body);
}

/** The headers that name, date and sign an attempt. Each secret signs, so the receiver may know any one of them. */
export function webhookHeaders(
  id: string,
  body: string,
  secrets: readonly string[],
  nowMs: number,
): Record<string, string> {
  const seconds = String(Math.floor(nowMs / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signatures.join(' ') };
}
