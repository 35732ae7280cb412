import type { IncomingMessage } from 'node:http';
import type { Clock } from './clock.ts';

export type Violation =
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
  reason: Violation | 'after_revocation';
  /** The last four characters of the key. */
  key: string | null;
}

export interface ConductReport {
  violations: number;
  by_reason: Partial<Record<Violation, number>>;
  /** Not a violation: a client learns of a revocation only by a request. */
  after_revocation: number;
  last: ConductEntry[];
}

const MAX_ENTRIES = 100;
const PINNED_VERSION = '2023-06-01';
const DEFAULT_AGENTS = /^(node|undici|node-fetch|axios|got|curl|wget|python|go-http-client|okhttp|java)\b/i;
/** A timer may fire a moment early, which does not count against the client. */
const TOLERANCE_MS = 25;

/** Counts the requests that a polite read-only client never sends. */
export class Conduct {
  readonly #clock: Clock;
  readonly #counts = new Map<Violation, number>();
  readonly #retryAfter = new Map<string, { realMs: number; simulatedMs: number }>();
  #afterRevocation = 0;
  #last: ConductEntry[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Checks the request line, the headers and the time. The endpoints check the query. */
  inspect(request: IncomingMessage, path: string, client: string): void {
    const { headers, method } = request;
    const checks: [Violation, boolean][] = [
      ['method', method !== 'GET'],
      ['body', Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined],
      ['version', headers['anthropic-version'] !== PINNED_VERSION],
      ['user_agent', headers['user-agent'] === undefined || DEFAULT_AGENTS.test(headers['user-agent'])],
      ['two_credentials', headers.authorization !== undefined && headers['x-api-key'] !== undefined],
      ['before_retry_after', this.#isTooEarly(client)],
    ];
    for (const [reason, isViolated] of checks) {
      if (isViolated) this.count(reason, request, path);
    }
  }

  count(reason: Violation | 'after_revocation', request: IncomingMessage, path: string): void {
    if (reason === 'after_revocation') this.#afterRevocation += 1;
    else this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    const key = request.headers['x-api-key'];
    this.#last.push({
      at: new Date(this.#clock.nowMs()).toISOString(),
      method: request.method ?? '',
      path,
      reason,
      key: typeof key === 'string' ? key.slice(-4) : null,
    });
    this.#last = this.#last.slice(-MAX_ENTRIES);
  }

  /** Records the `retry-after` of a 429. It ends once either the real clock or the simulator's has passed it. */
  addRetryAfter(client: string, retryAfter: string): void {
    const seconds = Number(retryAfter);
    const waitMs = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1_000;
    if (waitMs > 0) {
      this.#retryAfter.set(client, { realMs: Date.now() + waitMs, simulatedMs: this.#clock.nowMs() + waitMs });
    }
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
    this.#retryAfter.clear();
    this.#afterRevocation = 0;
    this.#last = [];
  }

  #isTooEarly(client: string): boolean {
    const wait = this.#retryAfter.get(client);
    return (
      wait !== undefined &&
      Date.now() + TOLERANCE_MS < wait.realMs &&
      this.#clock.nowMs() + TOLERANCE_MS < wait.simulatedMs
    );
  }
}
