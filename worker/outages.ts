import type { Logger } from 'pino';

const AGAIN_MS = 30_000;
const AGAIN_CAP_MS = 600_000;

/** A server that a worker waits for, and what a person can do about it. */
export interface Server {
  readonly name: 'Postgres' | 'Temporal';
  /** Host and port. */
  readonly address: string;
  readonly advice: string;
}

/**
 * Tells the log of the outages of a server: at once when one begins, then more and more seldom (after half a minute, at
 * most every ten minutes), and when it is over.
 */
export class Outages {
  readonly #server: Server;
  readonly #log: Logger;
  readonly #nowMs: () => number;
  #beganMs: number | null = null;
  #tellAtMs = 0;
  #pauseMs = AGAIN_MS;

  constructor(server: Server, log: Logger, nowMs = (): number => performance.now()) {
    this.#server = server;
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** The server does not do its work; `error` says why. */
  failed(error: string, advice = this.#server.advice): void {
    const now = this.#nowMs();
    if (this.#beganMs === null) {
      this.#beganMs = now;
      this.#pauseMs = AGAIN_MS;
    } else if (now < this.#tellAtMs) return;
    else this.#pauseMs = Math.min(this.#pauseMs * 2, AGAIN_CAP_MS);
    this.#tellAtMs = now + this.#pauseMs;
    const { name, address } = this.#server;
    const seconds = Math.round((now - this.#beganMs) / 1000);
    const text = `waiting for ${name} at ${address}: ${error}. ${advice}`;
    this.#log.warn({ server: name, address, error, seconds }, text.trim());
  }

  /** The server does its work. */
  answered(): void {
    if (this.#beganMs === null) return;
    const { name, address } = this.#server;
    const seconds = Math.round((this.#nowMs() - this.#beganMs) / 1000);
    this.#beganMs = null;
    this.#log.info({ server: name, address, seconds }, `${name} at ${address} answers, after ${seconds} s`);
  }
}

/** Parts of what Temporal's client and gRPC say of a server that cannot be reached, and plain words for it. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/namespace \S+ (?:is|was) not found/i, 'it has no such namespace'],
  [/dns error|failed to lookup/i, 'its host name cannot be looked up'],
  [/refused|tcp connect error/i, 'the connection is refused'],
  [/timeout expired|deadline|timed out/i, 'it does not answer'],
  [/NativeCertsNotFound/, 'this system has no certificate authorities to trust it by'],
  [
    /UnknownIssuer|UnknownCA|not trusted/i,
    'its certificate is signed by nobody who is trusted here (TEMPORAL_TLS_SERVER_CA_CERT_PATH)',
  ],
  [/certificate|handshake|tls/i, 'no TLS connection can be made'],
  [/unauthenticated|permission ?denied|not authorized/i, 'it refuses these credentials'],
];

/** Why Temporal does not do its work, in a few words without a line break. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : 'unknown';
  const known = REASONS.find(([pattern]) => pattern.test(text));
  return known?.[1] ?? text.replace(/\s+/g, ' ').slice(0, 200);
}
