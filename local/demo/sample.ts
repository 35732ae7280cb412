import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Console } from '../terminal/console.ts';
import { HttpError, type JsonClient } from '../http.ts';
import type { SimulatorListening } from '../stack/stack.ts';

const failure = z.object({ message: z.string(), action: z.string() });
const connectionSchema = z.object({
  id: z.string(),
  status: z.string(),
  organization: z.object({ id: z.string(), name: z.string() }).nullable(),
  backfill: z.object({ days_done: z.number(), days_total: z.number() }),
  missing_days: z.number(),
  last_sync: z.object({ n: z.number(), state: z.string(), ended_at: z.string().nullable() }).nullable(),
  error: failure.nullable(),
  temporal: z.object({ workflow_id: z.string(), url: z.string().nullable() }),
});
export type Connection = z.output<typeof connectionSchema>;

const ASKED_EVERY_MS = 200;
const NOTHING_MOVED_MS = 120_000;
/** From these a connection does not go on without a person. */
const STUCK = ['refused', 'disconnected', 'awaiting_key', 'paused'];

/** The sample organization's connection, made and followed through the HTTP API alone. */
export class Sample {
  readonly #api: JsonClient;
  readonly #console: Console;

  constructor(api: JsonClient, console: Console) {
    this.#api = api;
    this.#console = console;
  }

  /** Connects the organization, or goes on with the connection of an earlier run. */
  async connect({ organization, admin_api_key }: SimulatorListening): Promise<{ id: string; isNew: boolean }> {
    try {
      const made = await this.#api.post(
        '/v1/connections',
        { name: organization.name, admin_api_key },
        connectionSchema,
      );
      return { id: made.id, isNew: true };
    } catch (error) {
      if (!(error instanceof HttpError) || error.status !== 409) throw error;
      const named = z.object({ connection_id: z.string() }).safeParse(error.body);
      if (!named.success) throw error;
      return { id: named.data.connection_id, isNew: false };
    }
  }

  get(id: string): Promise<Connection> {
    return this.#api.get(`/v1/connections/${id}`, {}, connectionSchema);
  }

  /** Asks for a sync and waits until one that began after this request has ended well. */
  async sync(id: string): Promise<Connection> {
    const before = (await this.get(id)).last_sync;
    await this.#api.post(`/v1/connections/${id}/sync`, {}, z.unknown());
    const seen = before === null ? 0 : before.n;
    return await this.#follow(id, ({ status, last_sync }) => {
      return status === 'active' && last_sync !== null && last_sync.n > seen && last_sync.state === 'succeeded';
    });
  }

  /** Waits until the organization's first days are all there. */
  arrival(id: string): Promise<Connection> {
    return this.#follow(id, ({ status, missing_days }) => status === 'active' && missing_days === 0);
  }

  /** Shows how it goes until it is done. Only standing still for long is a failure. */
  async #follow(id: string, isDone: (connection: Connection) => boolean): Promise<Connection> {
    let last = '';
    let movedAt = Date.now();
    try {
      for (;;) {
        const connection = await this.get(id);
        if (isDone(connection)) return connection;
        const { status, backfill, error } = connection;
        const now = `  ${status}, ${backfill.days_done} of ${backfill.days_total} days`;
        if (now !== last) movedAt = Date.now();
        last = now;
        this.#console.status(now);
        if (STUCK.includes(status) || Date.now() - movedAt > NOTHING_MOVED_MS) {
          const why = error === null ? '' : ` ${error.message} ${error.action}`;
          throw new Error(`The sample organization's connection is ${status} and does not go on.${why}`);
        }
        await delay(ASKED_EVERY_MS);
      }
    } finally {
      this.#console.status('');
    }
  }
}
