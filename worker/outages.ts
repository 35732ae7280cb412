import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

const REPORT_AGAIN_MS = 30_000;
const REPORT_AGAIN_CAP_MS = 600_000;

const RETRY_MS = 1_000;
const RETRY_CAP_MS = 15_000;
/** A server that is silent for this long is reported, though its client still waits for an answer. */
const SILENCE_MS = 5_000;

/** A server that a worker waits for, and what a person can do about its outage. */
export interface AwaitedServer {
  readonly name: 'Postgres' | 'Temporal';
  /** Host and port. */
  readonly address: string;
  readonly advice: string;
}

/**
 * Reports the outages of a server to the log: at once when one begins, then less and less often (after half a minute, at
 * most every ten minutes), and when it ends.
 */
export class Outages {
  readonly #server: AwaitedServer;
  readonly #log: Logger;
  readonly #nowMs: () => number;
  #beganMs: number | null = null;
  #reportAtMs = 0;
  #pauseMs = REPORT_AGAIN_MS;

  constructor(server: AwaitedServer, log: Logger, nowMs = (): number => performance.now()) {
    this.#server = server;
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** The server does not do its work; `reason` says why. */
  failed(reason: string, advice = this.#server.advice): void {
    const now = this.#nowMs();
    if (this.#beganMs === null) {
      this.#beganMs = now;
      this.#pauseMs = REPORT_AGAIN_MS;
    } else if (now < this.#reportAtMs) return;
    else this.#pauseMs = Math.min(this.#pauseMs * 2, REPORT_AGAIN_CAP_MS);
    this.#reportAtMs = now + this.#pauseMs;
    const { name, address } = this.#server;
    const seconds = Math.round((now - this.#beganMs) / 1000);
    const text = `waiting for ${name} at ${address}: ${reason}. ${advice}`;
    this.#log.warn({ server: name, address, error: reason, seconds }, text.trim());
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

/**
 * Asks a server until it answers. `outageIn` says whether an error is an outage, which is reported and waited out, since
 * ending the process would not bring the server back; any other error is thrown. An aborted `stop` ends the process at
 * once: nothing is under way yet, and a silent server would hold `ask` for half a minute.
 */
export async function untilItServes<T>(
  outages: Outages,
  stop: AbortSignal,
  ask: () => Promise<T>,
  outageIn: (error: unknown) => { reason: string; advice?: string } | null,
): Promise<T> {
  const end = (): never => process.exit(0);
  stop.addEventListener('abort', end);
  if (stop.aborted) end();
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(RETRY_CAP_MS, waitMs * 2)) {
    const silence = setInterval(() => {
      outages.failed('it does not answer');
    }, SILENCE_MS);
    try {
      const answer = await ask();
      outages.answered();
      stop.removeEventListener('abort', end);
      return answer;
    } catch (error) {
      const outage = outageIn(error);
      if (outage === null) throw error;
      outages.failed(outage.reason, outage.advice);
    } finally {
      clearInterval(silence);
    }
    await delay(waitMs);
  }
}

/** Parts of the messages of Temporal's client and gRPC about a server that cannot be reached, and plain words for each. */
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
