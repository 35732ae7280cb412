import type { Json } from '../domain/lines.ts';
import type { NoticeContent } from '../domain/notices/content.ts';

/** Where a message goes. */
export type Target =
  | { readonly kind: 'email'; readonly address: string }
  | { readonly kind: 'slack' | 'teams'; readonly url: string }
  /** Secrets as Standard Webhooks has them (`whsec_…`), the newest first. */
  | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly string[] }
  | { readonly kind: 'pagerduty'; readonly routingKey: string };

/** One notice on its way to one address. */
export interface Message {
  /** The same on every try. */
  readonly deliveryId: string;
  readonly noticeId: string;
  /** The same for a notice and its end. */
  readonly dedupeKey: string;
  readonly atMs: number;
  readonly content: NoticeContent;
  readonly data: Json;
  /** Whether it tells of the end of the notice. */
  readonly isClosed: boolean;
  /** Null but for mail. */
  readonly unsubscribeUrl: string | null;
  /** Where the console is, as an origin. */
  readonly publicUrl: string;
}

/**
 * How a try ended: `retry` if the message certainly did not arrive and may later, `unknown` if nobody can tell, and `gone`
 * if the address will never take a message again.
 */
export type Outcome =
  | { readonly state: 'sent'; readonly reply: string }
  | { readonly state: 'retry'; readonly reason: string; readonly retryAfterMs: number | null }
  | { readonly state: 'failed'; readonly reason: string }
  | { readonly state: 'unknown'; readonly reason: string }
  | { readonly state: 'gone'; readonly reason: string };

/** The one way by which messages leave. */
export interface Door {
  /** Sends a message once. Calls `beforeBody` just before the message leaves, and sends nothing if that fails. */
  tell(
    target: Target,
    message: Message,
    options: { readonly signal: AbortSignal; readonly beforeBody: () => Promise<void> },
  ): Promise<Outcome>;
}
