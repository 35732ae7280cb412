import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { expect } from 'vitest';
import { AnthropicError, invalidReply } from '../../anthropic/failure.ts';
import {
  READABLE_PATHS,
  createTransport,
  type AnthropicReader,
  type Timeouts,
  type Transport,
} from '../../anthropic/transport.ts';
import { toDay, type Day, type DayRange } from '../../domain/days.ts';
import { USAGE_COUNTS, addCounts, canonicalDimensions, type Count } from '../../domain/lines.ts';
import type { CostLine, UsageLine } from '../support/lines.ts';
import { addDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import { PageError } from '../../pages/failure.ts';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../simulator/simulator.ts';
import { adminKey } from '../support/admin-key.ts';

/** The simulator's clock stands here. */
export const NOW = '2026-11-12T10:30:00Z';
export const TODAY = toDay('2026-11-12');
/** The 31 days up to today. */
export const MONTH: DayRange = { from: toDay('2026-10-13'), to: TODAY };
/** A few days, none of them quiet. */
export const WEEK: DayRange = { from: toDay('2026-11-02'), to: toDay('2026-11-06') };

const MEBIBYTE = 2 ** 20;

/** A simulator, and readers of it. */
export interface Upstream {
  readonly simulator: Simulator;
  readonly key: string;
  reader(options?: { key?: string; signal?: AbortSignal }): AnthropicReader;
  /** Closes it, once it is sure that nothing was asked that may not be. */
  close(): Promise<void>;
}

export async function upstream(
  options: { simulator?: SimulatorOptions; maxReplyBytes?: number; timeouts?: Partial<Timeouts> } = {},
): Promise<Upstream> {
  const simulator = await startSimulator({ now: NOW, seed: 'test', ...options.simulator });
  const { maxReplyBytes = 64 * MEBIBYTE, timeouts = {} } = options;
  const transport = createTransport({ baseUrl: simulator.url, maxReplyBytes, timeouts });
  const [first] = simulator.control.keys();
  if (first === undefined) throw new Error('the simulator has no key');
  return {
    simulator,
    key: first.key,
    reader: ({ key = first.key, signal = new AbortController().signal } = {}) =>
      transport.readerFor(adminKey(key), signal),
    async close() {
      await transport.close();
      await simulator.close();
      expect(simulator.control.conduct()).toMatchObject({ violations: 0 });
      for (const { method, path } of simulator.control.requests().last) {
        expect([method, new Set<string>(READABLE_PATHS).has(path)]).toEqual(['GET', true]);
      }
    },
  };
}

/** What the simulator saw, as `path?query status`. */
export function asked(simulator: Simulator): { path: string; limit: string | null; from: string; status: number }[] {
  return simulator.control.requests().last.map(({ path, query, status }) => {
    const parameters = new URLSearchParams(query);
    return { path, limit: parameters.get('limit'), from: (parameters.get('starting_at') ?? '').slice(0, 10), status };
  });
}

/** A server that answers as told; for what the simulator does not say. */
export async function answering(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; transport: Transport; reader: AnthropicReader; close: () => Promise<void> }> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const transport = createTransport({ baseUrl: url, maxReplyBytes: 64 * MEBIBYTE });
  return {
    url,
    transport,
    reader: transport.readerFor(adminKey(KEY), new AbortController().signal),
    close: async () => {
      await transport.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A key that is nobody's. */
export const KEY = `sk-ant-admin01-${'Canary_'.repeat(12)}AA`;

/** The id of a request of the simulator. */
export const REQUEST_ID: unknown = expect.stringMatching(/^req_/);

/** A reader that is given its replies, one by one, as JSON. */
export function given(...replies: unknown[]): AnthropicReader {
  const left = replies.map((reply) => Buffer.from(JSON.stringify(reply)));
  return {
    traffic: { requests: 0, bytes: 0 },
    get: (_path, _query, take) => taken(left.shift() ?? Buffer.alloc(0), take),
  };
}

/** What a reader makes of the body of a reply. */
async function taken<T>(body: Buffer<ArrayBuffer>, take: (body: Buffer<ArrayBuffer>) => T | Promise<T>): Promise<T> {
  try {
    return await take(body);
  } catch (error) {
    throw error instanceof PageError ? invalidReply(error.message) : error;
  }
}

/** A page of a report with the given rows per day. */
export function page(days: Readonly<Record<string, readonly unknown[]>>, next: string | null = null): unknown {
  return {
    data: Object.entries(days).map(([day, results]) => ({ starting_at: `${day}T00:00:00Z`, results })),
    has_more: next !== null,
    next_page: next,
  };
}

/** The failure that work ends with. */
export async function failureOf(work: Promise<unknown>): Promise<AnthropicError> {
  const error: unknown = await work.then(
    () => 'nothing failed',
    (reason: unknown) => reason,
  );
  if (!(error instanceof AnthropicError)) throw new Error('it did not fail as it should', { cause: error });
  return error;
}

export async function all<T>(given: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of given) items.push(item);
  return items;
}

/** The days of all pages. */
export async function allDays<T>(given: AsyncIterable<T[]>): Promise<T[]> {
  return (await all(given)).flat();
}

/** Lines as texts, sorted. Those of equal dimensions are added up. */
export function spellCost(days: readonly { day: Day; lines: readonly CostLine[] }[]): string[] {
  const amounts = new Map<string, Decimal[]>();
  for (const { day, lines } of days) {
    for (const { dimensions, amount } of lines) {
      const line = `${day} ${canonicalDimensions(dimensions)}`;
      amounts.set(line, [...(amounts.get(line) ?? []), amount]);
    }
  }
  return [...amounts].map(([line, some]) => `${line} ${addDecimals(some)}`).sort();
}

export function spellUsage(days: readonly { day: Day; lines: readonly UsageLine[] }[]): string[] {
  const sums = new Map<string, Count[]>();
  for (const { day, lines } of days) {
    for (const { dimensions, counts } of lines) {
      const line = `${day} ${canonicalDimensions(dimensions)}`;
      const before = sums.get(line);
      sums.set(
        line,
        USAGE_COUNTS.map((name, index) => addCounts([before?.[index] ?? 0, counts[name]])),
      );
    }
  }
  return [...sums].map(([line, counts]) => `${line} ${counts.join(' ')}`).sort();
}

/** What the simulator's own ledger holds, in the same form. */
export function trueCost({ simulator }: Upstream, { from, to }: DayRange): string[] {
  const lines = simulator.control.ledger({ report: 'cost', from, to });
  return spellCost(
    lines.map(({ day, extra, amount_cents, amount_usd: amount, ...dimensions }) => {
      expect(amount_cents).toBeTypeOf('string');
      return { day: toDay(day), lines: [{ dimensions: { ...dimensions, ...extra }, amount: toDecimal(amount) }] };
    }),
  );
}

export function trueUsage({ simulator }: Upstream, { from, to }: DayRange): string[] {
  const lines = simulator.control.ledger({ report: 'usage', from, to });
  return spellUsage(
    lines.map(({ day, workspace_id, model, service_tier, context_window, inference_geo, ...counts }) => ({
      day: toDay(day),
      lines: [
        {
          dimensions: { workspace_id, model, service_tier, context_window, inference_geo },
          counts,
          extraCounts: {},
        },
      ],
    })),
  );
}
