import type { Json } from '../domain/lines.ts';
import type { NoticeContent } from '../domain/notices/content.ts';
import type { PagerDutyRegion } from '../domain/notices/targets.ts';

/** Where a delivery goes, with its secrets in the clear. It lives only inside the activity that sends. */
export type Target =
  | { readonly kind: 'email'; readonly address: string }
  | { readonly kind: 'slack' | 'teams'; readonly url: string }
  /** Each secret (`whsec_…`) signs, the newest first, so that a receiver may change to the next one at any time. */
  | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly string[] }
  | { readonly kind: 'pagerduty'; readonly routingKey: string; readonly region: PagerDutyRegion };

/** What is told. */
export interface Message {
  readonly deliveryId: string;
  readonly noticeId: string;
  /** The same for opening and closing: PagerDuty's `dedup_key`. */
  readonly dedupeKey: string;
  /** When what is told was decided: that the notice opened, closed or was withdrawn. */
  readonly atMs: number;
  readonly content: NoticeContent;
  /** `data` in the body of a webhook. */
  readonly data: Json;
  /** PagerDuty resolves an incident instead of triggering one. */
  readonly isClosed: boolean;
  /** Where a reader of the mail can say that they want no more; null for no such place. */
  readonly unsubscribeUrl: string | null;
  /** The address of the console, as an origin. */
  readonly publicUrl: string;
}

/** What came of telling. No text in it contains a secret, a request or a whole reply. */
export type Outcome =
  /** `reply` has the other side's words. */
  | { readonly state: 'sent'; readonly reply: string }
  /** The other side did not take it, or takes the same one again without telling it twice. */
  | { readonly state: 'retry'; readonly reason: string; readonly retryAfterMs: number | null }
  /** It would never work. */
  | { readonly state: 'failed'; readonly reason: string }
  /** Mail, Slack, Teams: it may have been told, and another try might tell it twice. */
  | { readonly state: 'unknown'; readonly reason: string }
  /** The other side wants nothing any more. */
  | { readonly state: 'gone'; readonly reason: string };

export interface TellOptions {
  /** Ends the attempt. What came of it is an {@link Outcome} all the same. */
  readonly signal: AbortSignal;
  /** Is awaited once, just before anything of the message itself leaves. If it rejects, nothing of it leaves. */
  readonly beforeBody: () => Promise<void>;
}

/** The gate that each way of sending passes before the message leaves. */
export interface Gate {
  /**
   * Awaits `beforeBody`. Throws if that rejects, if it was called before, or if the attempt was called off meanwhile: then
   * nothing may leave.
   */
  pass(): Promise<void>;
  /** Whether something of the message may have left. */
  readonly isPassed: boolean;
  /** What `beforeBody` rejected with; null if it did not. */
  readonly refusal: { readonly error: unknown } | null;
}

/** Makes the gate of an attempt, which `over` calls off. */
export function openGate(beforeBody: TellOptions['beforeBody'], over: AbortSignal): Gate {
  let isAsked = false;
  let isPassed = false;
  let refusal: Gate['refusal'] = null;
  return {
    async pass() {
      if (isAsked) throw new Error('the message leaves once');
      isAsked = true;
      try {
        await beforeBody();
      } catch (error) {
        refusal = { error };
        throw new Error('the message must not leave');
      }
      if (over.aborted) throw new Error('called off');
      isPassed = true;
    },
    get isPassed() {
      return isPassed;
    },
    get refusal() {
      return refusal;
    },
  };
}

/** A signal that is aborted by another one, or after `ms`. `end` must be called. */
export function deadline(
  ms: number,
  signal: AbortSignal,
): { over: AbortSignal; isLate: () => boolean; end: () => void } {
  // Not AbortSignal.timeout(): nothing keeps one inside AbortSignal.any() alive, and once collected it never fires.
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, ms);
  return {
    over: AbortSignal.any([signal, late.signal]),
    isLate: () => late.signal.aborted,
    end: () => {
      clearTimeout(timer);
    },
  };
}
