import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { StackError } from '../errors.ts';
import { HttpError, type JsonClient } from '../http.ts';
import type { SimulatorAddress } from '../stack/parts.ts';
import type { Console } from '../terminal/console.ts';

const connectionSchema = z.object({
  id: z.string(),
  status: z.string(),
  organization: z.object({ id: z.string(), name: z.string() }).nullable(),
  backfill: z.object({ days_done: z.number(), days_total: z.number() }),
  missing_days: z.number(),
  last_sync: z.object({ n: z.number(), state: z.string(), ended_at: z.string().nullable() }).nullable(),
  error: z.object({ message: z.string(), action: z.string() }).nullable(),
  temporal: z.object({ workflow_id: z.string(), url: z.string().nullable() }),
});
export type Connection = z.output<typeof connectionSchema>;

const conflict = z.object({ connection_id: z.string() });

const POLL_EVERY_MS = 200;
const NO_PROGRESS_MS = 120_000;
/** The statuses that a connection leaves only if a person acts. */
const STUCK = ['refused', 'disconnected', 'awaiting_key', 'paused'];

/** The sample organization's connection. It uses the public API alone, as any client would. */
export class Sample {
  readonly #api: JsonClient;
  readonly #console: Console;

  constructor(api: JsonClient, console: Console) {
    this.#api = api;
    this.#console = console;
  }

  /** Connects the organization, or returns the connection of an earlier run. */
  async connect({ organization, admin_api_key }: SimulatorAddress): Promise<{ id: string; isNew: boolean }> {
    try {
      const made = await this.#api.post(
        '/v1/connections',
        { name: organization.name, admin_api_key },
        connectionSchema,
      );
      return { id: made.id, isNew: true };
    } catch (error) {
      const existing = error instanceof HttpError && error.status === 409 ? conflict.safeParse(error.body) : null;
      if (existing?.success !== true) throw error;
      return { id: existing.data.connection_id, isNew: false };
    }
  }

  /** Requests a sync, and waits until one that began after the request has succeeded. */
  async sync(id: string): Promise<Connection> {
    const before = (await this.#get(id)).last_sync?.n ?? 0;
    await this.#api.post(`/v1/connections/${id}/sync`, {}, z.unknown());
    return await this.#waitUntil(id, ({ status, last_sync }) => {
      return status === 'active' && last_sync !== null && last_sync.n > before && last_sync.state === 'succeeded';
    });
  }

  /** Waits until no day of a new connection is missing. */
  waitForBackfill(id: string): Promise<Connection> {
    return this.#waitUntil(id, ({ status, missing_days }) => status === 'active' && missing_days === 0);
  }

  #get(id: string): Promise<Connection> {
    return this.#api.get(`/v1/connections/${id}`, {}, connectionSchema);
  }

  /** Shows the progress. Throws StackError only if there is none for two minutes, or if a person has to act. */
  async #waitUntil(id: string, isReached: (connection: Connection) => boolean): Promise<Connection> {
    let progress = '';
    let changedAt = Date.now();
    try {
      for (;;) {
        const connection = await this.#get(id);
        if (isReached(connection)) return connection;
        const { status, backfill, error } = connection;
        const now = `  ${status}, ${backfill.days_done} of ${backfill.days_total} days`;
        if (now !== progress) changedAt = Date.now();
        progress = now;
        this.#console.status(now);
        if (STUCK.includes(status) || Date.now() - changedAt > NO_PROGRESS_MS) {
          const reason = error === null ? '' : ` ${error.message} ${error.action}`;
          throw new StackError(`The sample organization's connection is ${status} and makes no progress.${reason}`);
        }
        await delay(POLL_EVERY_MS);
      }
    } finally {
      this.#console.status('');
    }
  }
}
