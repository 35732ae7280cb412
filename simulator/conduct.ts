import type { IncomingMessage } from 'node:http';
import type { Clock } from './clock.ts';

export type Misconduct =
  | 'method'
  | 'path'
  | 'body'
  | 'unknown_parameter'
  | 'version'
  | 'user_agent'
  | 'two_credentials'
  | 'group_by'
  | 'limit'
  | 'page_token'
  | 'before_retry_after';

export interface ConductEntry {
  at: string;
  method: string;
  path: string;
  reason: Misconduct | 'after_revocation';
  /** The last four characters of the key. */
  key: string | null;
}

export interface ConductReport {
  violations: number;
  by_reason: Partial<Record<Misconduct, number>>;
  /** Counted apart: a client can't know before it has asked. */
  after_revocation: number;
  last: ConductEntry[];
}

const KEPT_ENTRIES = 100;
const PINNED_VERSION = '2023-06-01';
const DEFAULT_AGENTS = /^(node|undici|node-fetch|axios|got|curl|wget|python|go-http-client|okhttp|java)\b/i;
/** A timer may fire a moment early; that is not impatience. */
const TOLERANCE_MS = 25;

/** Counts the requests that a polite read-only client never sends. */
export class Conduct {
  readonly #clock: Clock;
  readonly #counts = new Map<Misconduct, number>();
  readonly #holds = new Map<string, { realMs: number; simulatedMs: number }>();
  #afterRevocation = 0;
  #last: ConductEntry[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Looks at the request itself; what is wrong with its query is found by the endpoint. */
  inspect(request: IncomingMessage, path: string, client: string): void {
    const { headers, method } = request;
    const hold = this.#holds.get(client);
    const found: [Misconduct, boolean][] = [
      ['method', method !== 'GET'],
      ['body', Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined],
      ['version', headers['anthropic-version'] !== PINNED_VERSION],
      ['user_agent', headers['user-agent'] === undefined || DEFAULT_AGENTS.test(headers['user-agent'])],
      ['two_credentials', headers.authorization !== undefined && headers['x-api-key'] !== undefined],
      [
        'before_retry_after',
        hold !== undefined &&
          Date.now() + TOLERANCE_MS < hold.realMs &&
          this.#clock.nowMs() + TOLERANCE_MS < hold.simulatedMs,
      ],
    ];
    for (const [reason, wrong] of found) {
      if (wrong) this.count(reason, request, path);
    }
  }

  count(reason: Misconduct | 'after_revocation', request: IncomingMessage, path: string): void {
    if (reason === 'after_revocation') {
      this.#afterRevocation += 1;
    } else {
      this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    }
    const key = request.headers['x-api-key'];
    this.#last.push({
      at: new Date(this.#clock.nowMs()).toISOString(),
      method: request.method ?? '',
      path,
      reason,
      key: typeof key === 'string' ? key.slice(-4) : null,
    });
    this.#last = this.#last.slice(-KEPT_ENTRIES);
  }

  /** Remembers a 429's `retry-after`: over once either the real or the simulator's clock has passed it. */
  hold(client: string, retryAfter: string): void {
    const seconds = Number(retryAfter);
    const waitMs = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1_000;
    if (waitMs > 0) this.#holds.set(client, { realMs: Date.now() + waitMs, simulatedMs: this.#clock.nowMs() + waitMs });
  }

  report(): ConductReport {
    return {
      violations: [...this.#counts.values()].reduce((sum, count) => sum + count, 0),
      by_reason: Object.fromEntries(this.#counts),
      after_revocation: this.#afterRevocation,
      last: [...this.#last],
    };
  }

  reset(): void {
    this.#counts.clear();
    this.#holds.clear();
    this.#afterRevocation = 0;
    this.#last = [];
  }
}
